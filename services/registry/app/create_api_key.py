"""Creating API keys."""

from __future__ import annotations

from services.registry.app.auditing import AuditTrail
from services.registry.app.ports import Clock, IdSource, Store
from services.registry.app.tenants import hold_writable_tenant
from services.registry.domain.api_key import ApiKey, ApiKeyDraft, IssuedApiKey, check_draft, generate_key, hash_key
from services.registry.domain.caller import Caller


class CreateApiKey:
    """Creates a key. Its text is answered this once, and only its hash is kept."""

    def __init__(self, store: Store, trail: AuditTrail, new_id: IdSource, now: Clock) -> None:
        self._store = store
        self._trail = trail
        self._new_id = new_id
        self._now = now

    async def execute(self, caller: Caller, draft: ApiKeyDraft) -> IssuedApiKey:
        """The new key. Raises InvalidRequest (also for a role above the caller's), NameTaken and TenantSuspended."""
        async with self._store.tenant(caller.tenant) as tx:
            await hold_writable_tenant(tx, caller)
            check_draft(draft, caller, self._now())
            key_id = self._new_id()
            key = generate_key(key_id)
            api_key = ApiKey(key_id, caller.tenant, draft.name, draft.role, hash_key(key), self._now(), draft.expire_time)
            await tx.api_keys.add(api_key)
            await self._trail.created(tx, caller, api_key)
            return IssuedApiKey(api_key, key)

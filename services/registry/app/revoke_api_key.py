"""Revoking API keys."""

from __future__ import annotations

from dataclasses import replace

from services.registry.app.auditing import AuditTrail
from services.registry.app.ports import Clock, Store
from services.registry.app.tenants import hold_writable_tenant
from services.registry.domain.api_key import ApiKey
from services.registry.domain.caller import Caller
from services.registry.domain.errors import ApiKeyNotFound


class RevokeApiKey:
    """Makes a key stop working."""

    def __init__(self, store: Store, trail: AuditTrail, now: Clock) -> None:
        self._store = store
        self._trail = trail
        self._now = now

    async def execute(self, caller: Caller, key_id: str) -> ApiKey:
        """The revoked key; one that is revoked already stays as it is. Raises ApiKeyNotFound and TenantSuspended."""
        async with self._store.tenant(caller.tenant) as tx:
            await hold_writable_tenant(tx, caller)
            present = await tx.api_keys.lock(key_id)
            if present is None:
                raise ApiKeyNotFound(api_key=key_id)
            if present.revoke_time is not None:
                return present
            revoked = replace(present, revoke_time=self._now())
            await tx.api_keys.update(revoked)
            await self._trail.changed(tx, caller, present, revoked)
            return revoked

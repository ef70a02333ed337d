"""Changing connections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from services.common.errors import EtagMismatch
from services.registry.app.auditing import AuditTrail
from services.registry.app.found import found_connection
from services.registry.app.ports import Clock, Egress, Sealer, Store
from services.registry.app.secrets import ConnectionSecrets, check_egress
from services.registry.app.tenants import hold_writable_tenant
from services.registry.domain.caller import Caller
from services.registry.domain.connection import Connection, ConnectionDraft
from services.registry.domain.connection_rules import check_change, check_draft, normalised
from services.registry.domain.revision import check_etag

# Rounds against somebody who changes the same connection all the time.
_ATTEMPTS = 3


class UpdateConnection:
    """Changes a connection. The host is checked outside the transaction, so the change is made only if none came between."""

    def __init__(self, store: Store, egress: Egress, sealer: Sealer, trail: AuditTrail, now: Clock) -> None:
        self._store = store
        self._egress = egress
        self._secrets = ConnectionSecrets(sealer)
        self._trail = trail
        self._now = now

    async def execute(self, caller: Caller, connection_id: str, change: Callable[[Connection], ConnectionDraft], etag: str) -> Connection:
        """The connection as `change` makes it.

        Raises ConnectionNotFound, EtagMismatch, InvalidRequest (also when the secret must be given again), EgressDenied,
        NameTaken, TenantSuspended, and what `change` raises.
        """
        for _ in range(_ATTEMPTS):
            present = await self._read(caller, connection_id)
            check_etag(etag, present.revision)
            wanted = normalised(change(present))
            check_change(present.settings, wanted)
            check_draft(wanted, present.secret)
            if wanted.settings.login_target != present.settings.login_target:
                await check_egress(self._egress, wanted.settings)
            changed = self._changed(present, wanted)
            if changed == present or await self._save(caller, present, changed):
                return changed
        raise EtagMismatch("The connection is being changed by others all the time; try again.")

    async def _read(self, caller: Caller, connection_id: str) -> Connection:
        async with self._store.tenant(caller.tenant) as tx:
            await hold_writable_tenant(tx, caller)
            return found_connection(await tx.connections.get(connection_id), connection_id)

    def _changed(self, present: Connection, wanted: ConnectionDraft) -> Connection:
        secret = present.secret
        if wanted.secret:
            secret = self._secrets.seal(present.tenant_id, present.id, present.secret_version + 1, wanted.secret)
        changed = replace(present, name=wanted.name, description=wanted.description, settings=wanted.settings, secret=secret)
        return present if changed == present else replace(changed, revision=present.revision + 1, update_time=self._now())

    async def _save(self, caller: Caller, present: Connection, changed: Connection) -> bool:
        """Whether `changed` was stored; False when somebody else was faster."""
        async with self._store.tenant(caller.tenant) as tx:
            await hold_writable_tenant(tx, caller)
            locked = found_connection(await tx.connections.lock(present.id), present.id)
            if locked.revision != present.revision:
                return False
            await tx.connections.update(changed)
            await self._trail.changed(tx, caller, present, changed)
            return True

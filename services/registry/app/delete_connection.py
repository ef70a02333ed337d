"""Deleting connections."""

from __future__ import annotations

from services.common.errors import ResourceInUse
from services.registry.app.auditing import AuditTrail
from services.registry.app.found import found_connection
from services.registry.app.ports import Store
from services.registry.app.tenants import MAX_NAMED_USERS, hold_writable_tenant
from services.registry.domain.caller import Caller
from services.registry.domain.revision import check_etag


class DeleteConnection:
    """Deletes a connection that no dataset uses."""

    def __init__(self, store: Store, trail: AuditTrail) -> None:
        self._store = store
        self._trail = trail

    async def execute(self, caller: Caller, connection_id: str, etag: str) -> None:
        """Raises ConnectionNotFound, EtagMismatch, TenantSuspended, and ResourceInUse naming datasets that use it."""
        async with self._store.tenant(caller.tenant) as tx:
            await hold_writable_tenant(tx, caller)
            present = found_connection(await tx.connections.lock(connection_id), connection_id)
            check_etag(etag, present.revision)
            users = await tx.datasets.first_users(MAX_NAMED_USERS, connection_id)
            if users:
                raise ResourceInUse(users=users)
            await tx.connections.remove(connection_id)
            await self._trail.deleted(tx, caller, present)

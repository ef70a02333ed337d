"""Deleting tenants."""

from __future__ import annotations

from services.common.errors import ResourceInUse
from services.registry.app.auditing import AuditTrail
from services.registry.app.ports import Store
from services.registry.app.tenants import MAX_NAMED_USERS
from services.registry.domain.caller import Caller
from services.registry.domain.errors import TenantNotFound
from services.registry.domain.revision import check_etag


class DeleteTenant:
    """Deletes a tenant that is empty, with its API keys. Its audit trail stays."""

    def __init__(self, store: Store, trail: AuditTrail) -> None:
        self._store = store
        self._trail = trail

    async def execute(self, caller: Caller, tenant_id: str, etag: str) -> None:
        """Raises TenantNotFound, EtagMismatch, and ResourceInUse naming connections and datasets that it still has."""
        async with self._store.tenant(tenant_id) as tx:
            present = await tx.tenants.lock(tenant_id)
            if present is None:
                raise TenantNotFound(tenant=tenant_id)
            check_etag(etag, present.revision)
            users = [*await tx.datasets.first_users(MAX_NAMED_USERS), *await tx.connections.first_users(MAX_NAMED_USERS)]
            if users:
                raise ResourceInUse(users=users[:MAX_NAMED_USERS])
            await tx.tenants.remove(tenant_id)
            await self._trail.deleted(tx, caller, present)

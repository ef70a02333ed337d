"""Reading one tenant."""

from __future__ import annotations

from services.registry.app.ports import Store
from services.registry.domain.caller import Caller
from services.registry.domain.errors import TenantNotFound
from services.registry.domain.tenant import Tenant


class GetTenant:
    """Answers one tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def execute(self, caller: Caller, tenant_id: str) -> Tenant:
        """The tenant. Raises TenantNotFound, also for a tenant that is not the caller's own."""
        if not caller.is_platform_admin and tenant_id != caller.tenant_id:
            raise TenantNotFound(tenant=tenant_id)
        async with self._store.tenant(tenant_id) as tx:
            tenant = await tx.tenants.get(tenant_id)
        if tenant is None:
            raise TenantNotFound(tenant=tenant_id)
        return tenant

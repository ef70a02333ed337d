"""Creating tenants."""

from __future__ import annotations

from services.registry.app.auditing import AuditTrail
from services.registry.app.idempotency import Idempotency
from services.registry.app.ports import Clock, IdSource, Sealer, Store
from services.registry.domain.caller import Caller
from services.registry.domain.errors import TenantNotFound
from services.registry.domain.request_key import RequestKey
from services.registry.domain.tenant import Quotas, Tenant, check_tenant

# Stands in the place of a tenant where creates of tenants are sealed.
_PLATFORM = "platform"


class CreateTenant:
    """Creates a tenant, ACTIVE."""

    def __init__(self, store: Store, sealer: Sealer, trail: AuditTrail, new_id: IdSource, now: Clock) -> None:
        self._store = store
        self._idempotency = Idempotency("CreateTenant", sealer)
        self._trail = trail
        self._new_id = new_id
        self._now = now

    async def execute(self, caller: Caller, name: str, display_name: str, quotas: Quotas, request: RequestKey | None) -> Tenant:
        """The new tenant, or the one an earlier call with this request made.

        Raises InvalidRequest, NameTaken, RequestIdReused, and TenantNotFound when the earlier call's tenant is deleted.
        """
        now = self._now()
        tenant = Tenant(self._new_id(), name, now, now, display_name, quotas)
        check_tenant(tenant)
        async with self._store.tenant(tenant.id) as tx:
            earlier = await self._idempotency.claim(tx.platform_requests, _PLATFORM, request, tenant.id)
            if earlier is None:
                await tx.tenants.add(tenant)
                await self._trail.created(tx, caller, tenant)
                return tenant
        return await self._earlier(earlier)

    async def _earlier(self, tenant_id: str) -> Tenant:
        async with self._store.tenant(tenant_id) as tx:
            tenant = await tx.tenants.get(tenant_id)
        if tenant is None:
            raise TenantNotFound("The tenant that this request_id created has been deleted.", tenant=tenant_id)
        return tenant

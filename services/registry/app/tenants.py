"""The tenant that a change happens in."""

from __future__ import annotations

from services.registry.app.ports import TenantTransaction
from services.registry.domain.caller import Caller
from services.registry.domain.errors import TenantNotFound, TenantSuspended
from services.registry.domain.tenant import Tenant, TenantState

# Names given of what uses a resource; enough to act on, whatever their number.
MAX_NAMED_USERS = 10


async def hold_writable_tenant(tx: TenantTransaction, caller: Caller) -> Tenant:
    """The caller's tenant, which is neither suspended nor deleted until the transaction ends.

    Raises TenantNotFound (a token outlives its tenant) and TenantSuspended.
    """
    return _writable(await tx.tenants.hold(caller.tenant), caller)


async def lock_writable_tenant(tx: TenantTransaction, caller: Caller) -> Tenant:
    """Like `hold_writable_tenant`, one transaction at a time: for changes that count what is there."""
    return _writable(await tx.tenants.lock(caller.tenant), caller)


def _writable(tenant: Tenant | None, caller: Caller) -> Tenant:
    if tenant is None:
        raise TenantNotFound(tenant=caller.tenant)
    if tenant.state is TenantState.SUSPENDED:
        raise TenantSuspended(tenant=tenant.id)
    return tenant

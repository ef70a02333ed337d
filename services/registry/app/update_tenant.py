"""Changing tenants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from services.registry.app.auditing import AuditTrail
from services.registry.app.ports import Clock, Store
from services.registry.domain.caller import Caller
from services.registry.domain.errors import TenantNotFound
from services.registry.domain.revision import check_etag
from services.registry.domain.tenant import Tenant, check_tenant


class UpdateTenant:
    """Changes a tenant, suspended or not."""

    def __init__(self, store: Store, trail: AuditTrail, now: Clock) -> None:
        self._store = store
        self._trail = trail
        self._now = now

    async def execute(self, caller: Caller, tenant_id: str, change: Callable[[Tenant], Tenant], etag: str) -> Tenant:
        """The tenant as `change` makes it. Raises TenantNotFound, EtagMismatch, InvalidRequest and what `change` raises."""
        async with self._store.tenant(tenant_id) as tx:
            present = await tx.tenants.lock(tenant_id)
            if present is None:
                raise TenantNotFound(tenant=tenant_id)
            check_etag(etag, present.revision)
            wanted = change(present)
            if wanted == present:
                return present
            check_tenant(wanted)
            changed = replace(wanted, revision=present.revision + 1, update_time=self._now())
            await tx.tenants.update(changed)
            await self._trail.changed(tx, caller, present, changed)
            return changed

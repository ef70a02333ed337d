"""Listing tenants."""

from __future__ import annotations

from services.registry.app.ports import Store
from services.registry.domain.caller import Caller
from services.registry.domain.paging import Page, PageRequest
from services.registry.domain.tenant import Tenant


class ListTenants:
    """Lists the tenants that the caller may see."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def execute(self, caller: Caller, name: str, page: PageRequest) -> Page[Tenant]:
        """Tenants, oldest first: all of them for a platform admin, the caller's own for anybody else."""
        if caller.is_platform_admin:
            return await self._store.list_tenants(name, page)
        async with self._store.tenant(caller.tenant) as tx:
            own = await tx.tenants.get(caller.tenant)
        is_wanted = own is not None and name in ("", own.name) and page.after is None
        return Page([own] if own is not None and is_wanted else [], None)

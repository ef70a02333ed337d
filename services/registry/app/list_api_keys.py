"""Listing API keys."""

from __future__ import annotations

from services.registry.app.ports import Store
from services.registry.domain.api_key import ApiKey
from services.registry.domain.caller import Caller
from services.registry.domain.paging import Page, PageRequest


class ListApiKeys:
    """Lists the API keys of the caller's tenant, without their texts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def execute(self, caller: Caller, page: PageRequest) -> Page[ApiKey]:
        """Keys, oldest first, revoked ones included."""
        async with self._store.tenant(caller.tenant) as tx:
            return await tx.api_keys.list(page)

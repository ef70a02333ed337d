"""Listing connections."""

from __future__ import annotations

from services.registry.app.ports import Store
from services.registry.domain.caller import Caller
from services.registry.domain.connection import Connection
from services.registry.domain.paging import Page, PageRequest


class ListConnections:
    """Lists the connections of the caller's tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def execute(self, caller: Caller, name: str, page: PageRequest) -> Page[Connection]:
        """Connections, oldest first, their secrets sealed; an empty name filters nothing."""
        async with self._store.tenant(caller.tenant) as tx:
            return await tx.connections.list(name, page)

"""Reading one connection."""

from __future__ import annotations

from services.registry.app.found import found_connection
from services.registry.app.ports import Store
from services.registry.domain.caller import Caller
from services.registry.domain.connection import Connection


class GetConnection:
    """Answers one connection, its secret sealed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def execute(self, caller: Caller, connection_id: str) -> Connection:
        """The connection. Raises ConnectionNotFound."""
        async with self._store.tenant(caller.tenant) as tx:
            return found_connection(await tx.connections.get(connection_id), connection_id)

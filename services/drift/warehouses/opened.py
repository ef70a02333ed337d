"""Sessions on warehouses of every kind, in few threads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from services.drift.app.ports import SessionRequest, WarehouseSession
from services.drift.domain.connection import ConnectionSpec, SnowflakeConnection
from services.drift.warehouses.postgres import open_postgres
from services.drift.warehouses.snowflake import open_snowflake


class OpenWarehouses:
    """`app.ports.Warehouses` over real warehouses."""

    def __init__(self, sessions: int) -> None:
        """`sessions` are open at once; the connector's cancel needs a thread beside the one that waits."""
        self._executor = ThreadPoolExecutor(2 * sessions, thread_name_prefix="warehouse")

    @asynccontextmanager
    async def open(self, connection: ConnectionSpec, request: SessionRequest) -> AsyncIterator[WarehouseSession]:
        """Raises WarehouseUnreachable and WarehouseRefusedLogin."""
        if isinstance(connection, SnowflakeConnection):
            async with open_snowflake(connection, request, self._executor) as session:
                yield session
        else:
            async with open_postgres(connection, request) as postgres:
                yield postgres

    def close(self) -> None:
        """Take no more work; threads that still wait for a warehouse end by themselves."""
        self._executor.shutdown(wait=False, cancel_futures=True)

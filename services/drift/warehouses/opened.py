"""Sessions on warehouses of every kind, in few threads."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from services.drift.app.ports import SessionRequest, WarehouseSession
from services.drift.domain.connection import ConnectionSpec, SnowflakeConnection
from services.drift.warehouses.postgres import open_postgres


class OpenWarehouses:
    """`app.ports.Warehouses` over real warehouses."""

    def __init__(self, sessions: int) -> None:
        """`sessions` are open at once, and further ones wait; the connector's cancel needs a thread beside the one that waits."""
        self._places = asyncio.Semaphore(sessions)
        self._executor = ThreadPoolExecutor(2 * sessions, thread_name_prefix="warehouse")

    @asynccontextmanager
    async def open(self, connection: ConnectionSpec, request: SessionRequest) -> AsyncIterator[WarehouseSession]:
        """Raises WarehouseUnreachable and WarehouseRefusedLogin."""
        async with self._places:
            if isinstance(connection, SnowflakeConnection):
                async with self._open_snowflake(connection, request) as session:
                    yield session
            else:
                async with open_postgres(connection, request) as postgres:
                    yield postgres

    @asynccontextmanager
    async def _open_snowflake(self, connection: SnowflakeConnection, request: SessionRequest) -> AsyncIterator[WarehouseSession]:
        # The connector takes a second to import, for which no start shall wait.
        await asyncio.get_running_loop().run_in_executor(self._executor, _load_connector)
        from services.drift.warehouses.snowflake import open_snowflake

        async with open_snowflake(connection, request, self._executor) as session:
            yield session

    def close(self) -> None:
        """Take no more work; threads that still wait for a warehouse end by themselves."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _load_connector() -> None:
    importlib.import_module("services.drift.warehouses.snowflake")

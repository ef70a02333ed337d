"""Each test of a port runs on the store in memory and on the one in Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from services.common.postgres import Database as Transactions
from services.common.postgres import create_pool
from services.registry.app.ports import Store
from services.registry.storage.store import PostgresStore
from tests.integration.registry.conftest import migrate
from tests.support.databases import Database, Databases
from tests.unit.registry.memory_store import MemoryStore


@pytest.fixture(params=["memory", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[Database | None]:
    """A database with the registry's tables; None for the store in memory. Not async: migrations run a loop of their own."""
    if request.param == "memory":
        yield None
        return
    databases: Databases = request.getfixturevalue("databases")
    with databases.cloned(databases.prepare("template_registry", migrate)) as clone:
        yield clone


@pytest.fixture
async def store(database: Database | None) -> AsyncIterator[Store]:
    """An empty store."""
    if database is None:
        yield MemoryStore()
        return
    transactions = Transactions(await create_pool(database.app_url("registry"), application_name="test"))
    yield PostgresStore(transactions)
    await transactions.close()

"""One engine for all tests of it (its zygote takes 2 s to start), and one shop of each kind for the tests of a module."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import pytest
import pytest_asyncio
import snowflake.connector

from chalkandduster.local.emulator import EmulatorProcess
from services.quality.soda.engine import SodaEngine
from tests.integration.quality.soda.scanning import SHOP, Scanner, postgres_spec, run_in_postgres, snowflake_spec
from tests.support.databases import Database, Databases
from tests.support.warehouse import Warehouse


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine() -> AsyncIterator[SodaEngine]:
    """A started engine; every test that uses it runs on the session's event loop."""
    running = SodaEngine()
    await running.start()
    yield running
    await running.close()


@pytest.fixture(scope="module")
def warehouse(emulator: EmulatorProcess) -> Iterator[Warehouse]:
    """The module's schema, with the shop in it. A test that adds a table gives it a name of its own."""
    place = Warehouse(emulator, f"M_{uuid.uuid4().hex[:12].upper()}")
    with closing(snowflake.connector.connect(**emulator.connect_args)) as connection:
        connection.cursor().execute(f"CREATE SCHEMA {place.schema}")
        place.execute(*SHOP)
        yield place
        connection.cursor().execute(f"DROP SCHEMA {place.schema}")


@pytest.fixture(scope="module")
def shop(warehouse: Warehouse, engine: SodaEngine) -> Scanner:
    """Scans of the shop in the emulator."""
    return Scanner(engine, snowflake_spec(warehouse))


@pytest.fixture(scope="module")
def shop_database(databases: Databases) -> Iterator[Database]:
    with databases.cloned() as database:
        run_in_postgres(database, *SHOP)
        yield database


@pytest.fixture(scope="module")
def postgres_shop(shop_database: Database, engine: SodaEngine) -> Scanner:
    """Scans of the shop in Postgres."""
    return Scanner(engine, postgres_spec(shop_database))


@pytest.fixture(params=["shop", "postgres_shop"], ids=["snowflake", "postgres"])
def either_shop(request: pytest.FixtureRequest) -> Scanner:
    """The same test on both warehouses."""
    scanner: Scanner = request.getfixturevalue(request.param)
    return scanner

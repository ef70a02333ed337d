"""The store in two forms: in memory and in Postgres. Every test of this folder runs on both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from services.common.migrations import run_migrations
from services.common.postgres import Database, create_pool
from services.quality.app.ports import HistoryStore, Outbox, QueueStats, RunStore, ScheduleStore, WorkQueue
from services.quality.storage.history import PostgresHistory
from services.quality.storage.outbox import PostgresOutbox
from services.quality.storage.queue import PostgresWorkQueue
from services.quality.storage.runs import PostgresRunStore
from services.quality.storage.schedules import PostgresScheduleStore
from tests.support.databases import Database as TestDatabase
from tests.support.databases import Databases
from tests.unit.quality.fake_schedules import FakeSchedules
from tests.unit.quality.fake_store import FakeStore

MIGRATIONS = Path(__file__).parents[3] / "services" / "quality" / "storage" / "migrations"
LEASE_SECONDS = 0.2
MAX_FAILURES = 2


class QueueAndStats(WorkQueue, QueueStats, Protocol):
    """One object is both."""


@dataclass(frozen=True, slots=True)
class Store:
    """All ports of the storage, over the same rows."""

    runs: RunStore
    queue: QueueAndStats
    schedules: ScheduleStore
    history: HistoryStore
    outbox: Outbox


def _migrate(database: TestDatabase) -> None:
    asyncio.run(run_migrations(database.owner_url("quality"), MIGRATIONS, "quality"))


@pytest.fixture(params=["fake", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    """A store without runs. Leases last `LEASE_SECONDS`; a run is given up after `MAX_FAILURES`."""
    if request.param == "fake":
        fake = FakeStore(lease_seconds=LEASE_SECONDS, max_failures=MAX_FAILURES)
        return Store(fake, fake, FakeSchedules(fake), fake, fake)
    found: Store = request.getfixturevalue("postgres_store")
    return found


@pytest.fixture(scope="session")
def migrated(databases: Databases) -> str:
    return databases.prepare("quality_migrated", _migrate)


@pytest.fixture
async def postgres_store(databases: Databases, migrated: str) -> AsyncIterator[Store]:
    with databases.cloned(migrated) as database:
        pool = await create_pool(database.app_url("quality"), application_name="contract", max_size=4)
        own = Database(pool)
        try:
            yield Store(
                PostgresRunStore(own),
                PostgresWorkQueue(own, "worker-1", LEASE_SECONDS, MAX_FAILURES),
                PostgresScheduleStore(own, default_cap=4),
                PostgresHistory(own),
                PostgresOutbox(own),
            )
        finally:
            await own.close()

"""A migrated database, and drift served in the test's own process with an engine that a test can foretell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.common.migrations import run_migrations
from services.drift.composition import MIGRATIONS, SCHEMA
from tests.integration.drift.harness import Drift, running_drift
from tests.support.databases import Database, Databases
from tests.support.tokens import TokenIssuer
from tests.unit.drift_service.fake_engine import FakeEngine


def _migrate(database: Database) -> None:
    asyncio.run(run_migrations(database.owner_url("drift"), MIGRATIONS, SCHEMA))


@pytest.fixture
def drift_database(databases: Databases) -> Iterator[Database]:
    """A database with drift's tables, for one test."""
    template = databases.prepare("drift_migrated", _migrate)
    with databases.cloned(template) as database:
        yield database


@pytest.fixture
async def drift(tmp_path: Path, drift_database: Database, token_issuer: TokenIssuer) -> AsyncIterator[Drift]:
    async with running_drift(tmp_path, drift_database, token_issuer, FakeEngine()) as running:
        yield running

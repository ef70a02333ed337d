"""A migrated database, a registry of the test's own, and processes of quality."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.common.migrations import run_migrations
from tests.integration.quality.platform import ROOT, Platform, running_platform
from tests.support.databases import Database, Databases
from tests.support.tokens import TokenIssuer

_MIGRATIONS = ROOT / "services" / "quality" / "storage" / "migrations"


def _migrate(database: Database) -> None:
    asyncio.run(run_migrations(database.owner_url("quality"), _MIGRATIONS, "quality"))


@pytest.fixture
def quality_database(databases: Databases) -> Iterator[Database]:
    """A database with quality's tables, for one test."""
    template = databases.prepare("quality_migrated", _migrate)
    with databases.cloned(template) as database:
        yield database


@pytest.fixture
async def platform(tmp_path: Path, quality_database: Database, token_issuer: TokenIssuer) -> AsyncIterator[Platform]:
    async with running_platform(tmp_path, quality_database, token_issuer) as running:
        yield running


@pytest.fixture
def tenant() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def dataset() -> str:
    return str(uuid.uuid4())

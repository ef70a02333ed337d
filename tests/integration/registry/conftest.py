"""A registry for each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from services.common.migrations import run_migrations
from services.registry.main import MIGRATIONS, SCHEMA
from tests.integration.registry.harness import Registry, running_registry
from tests.support.databases import Database, Databases


def migrate(database: Database) -> None:
    """Fill a template with the registry's tables."""
    asyncio.run(run_migrations(database.owner_url("registry"), MIGRATIONS, SCHEMA))


@pytest.fixture
def registry_database(databases: Databases) -> Iterator[Database]:
    """A database with the registry's tables, for one test."""
    with databases.cloned(databases.prepare("template_registry", migrate)) as clone:
        yield clone


@pytest.fixture
async def registry(registry_database: Database, tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[Registry]:
    """A running registry whose egress policy allows loopback."""
    async with running_registry(registry_database, tmp_path, free_port) as running:
        yield running

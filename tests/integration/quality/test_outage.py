"""Postgres restarts under a running service, on a server of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalkandduster.quality.v1 import run_pb2
from tests.integration.quality.conftest import _migrate
from tests.integration.quality.platform import eventually, running_platform
from tests.support.databases import Databases, TestServer
from tests.support.tokens import TokenIssuer

Run = run_pb2.Run


@pytest.fixture
def own_server() -> Iterator[Databases]:
    """A Postgres that this test may stop."""
    with TestServer() as running:
        yield running


async def test_a_restart_of_postgres_in_the_middle_of_a_run_loses_nothing(
    own_server: Databases, tmp_path: Path, token_issuer: TokenIssuer, tenant: str, dataset: str
) -> None:
    template = await asyncio.to_thread(own_server.prepare, "quality_migrated", _migrate)
    database = await asyncio.to_thread(own_server.clone, template)
    async with running_platform(tmp_path, database, token_issuer) as platform:
        platform.registry.put(tenant, dataset, checks_yaml="engine: slow 1")
        quality = await platform.start(lease_seconds=30)
        caller = await platform.caller(quality, tenant)
        run = await caller.trigger(dataset)

        async def scanning() -> bool:
            return (tmp_path / "scans.txt").exists()

        await eventually(scanning)
        await asyncio.to_thread(own_server.server.stop)
        await asyncio.sleep(1.5)  # the scan ends while there is no database to record it in
        await asyncio.to_thread(own_server.server.start)
        ended = await caller.ended(run.id)
        assert (ended.state, ended.verdict, ended.attempts) == (Run.SUCCEEDED, Run.PASS, 1)
        # Workers and listener found their way back by themselves.
        again = await caller.ended((await caller.trigger(dataset)).id)
        assert again.state == Run.SUCCEEDED

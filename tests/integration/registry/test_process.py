"""The registry as the process that an operator starts."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chalkandduster.local.keys import SigningKey
from services.registry.settings import RegistrySettings
from tests.integration.registry.harness import registry_settings
from tests.support.databases import Database


def environment(settings: RegistrySettings, database: Database) -> dict[str, str]:
    secrets = {"database_url": settings.database_url.get_secret_value(), "migration_database_url": database.owner_url("registry")}
    given: dict[str, Any] = settings.model_dump(exclude_none=True) | secrets
    return os.environ | {f"CHALKANDDUSTER_{name.upper()}": str(value) for name, value in given.items()}


async def start(command: str, environment: dict[str, str], module: str = "services.registry.main") -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-m", module, command, env=environment, stderr=asyncio.subprocess.PIPE)


async def test_process_migrates_serves_and_ends_well_when_told(database: Database, tmp_path: Path, free_port: Callable[[], int]) -> None:
    settings = registry_settings(database, tmp_path, free_port(), 1, SigningKey.generate(), SigningKey.generate(), {})
    variables = environment(settings, database)
    starters = [await start("migrate", variables), await start("registry", variables, "services.common.migrate")]
    for starter in starters:
        _, errors = await starter.communicate()
        assert starter.returncode == 0, errors.decode()
    serving = await start("serve", variables)
    async with grpc.aio.insecure_channel(settings.listen) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=30)
        while answer.status != health_pb2.HealthCheckResponse.SERVING:
            await asyncio.sleep(0.05)
            answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=5)
    serving.send_signal(signal.SIGTERM)
    _, errors = await serving.communicate()
    assert serving.returncode == 0, errors.decode()
    assert settings.database_url.get_secret_value() not in errors.decode()


async def test_missing_setting_is_named(tmp_path: Path) -> None:
    started = await start("serve", {name: value for name, value in os.environ.items() if not name.startswith("CHALKANDDUSTER_")})
    _, errors = await started.communicate()
    assert started.returncode == 2
    assert "CHALKANDDUSTER_QUALITY_ADDRESS is missing" in errors.decode()


async def test_migrations_alone_name_what_they_miss() -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("CHALKANDDUSTER_")}
    for word, code, said in (("registry", 1, "CHALKANDDUSTER_MIGRATION_DATABASE_URL is missing"), ("nothing", 64, "usage:")):
        started = await start(word, bare, "services.common.migrate")
        _, errors = await started.communicate()
        assert (started.returncode, said in errors.decode()) == (code, True)

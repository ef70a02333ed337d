"""A registry in this process, on a real Postgres, with a quality service that does what a test tells it."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import grpc
import grpc_health.v1.health
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chalkandduster.local import tokens
from chalkandduster.local.keys import SigningKey
from chalkandduster.quality.v1 import check_pb2, quality_service_pb2_grpc, run_pb2
from chalkandduster.registry.v1 import connection_pb2, dataset_pb2, registry_service_pb2_grpc, tenant_pb2
from services.common.auth.tokens import ServiceTokenSigner
from services.common.client import RemoteError, remote_error
from services.registry.main import run
from services.registry.settings import RegistrySettings
from tests.support.databases import Database

Answer = TypeVar("Answer")
Metadata = tuple[tuple[str, str], ...]

GOOD_CHECKS = "checks for customers:\n  - row_count > 0\n  - missing_count(email) = 0\n"


class FakeQuality(quality_service_pb2_grpc.QualityServiceServicer):
    """Counts lines that look like checks, and finds fault with those that say `bogus`."""

    def __init__(self) -> None:
        self.validated: list[str] = []
        self.usage = run_pb2.GetDatasetUsageResponse()
        self.inspected: list[str] = []

    async def ValidateChecks(self, request: check_pb2.ValidateChecksRequest, context: Any) -> check_pb2.ValidateChecksResponse:  # noqa: N802
        self.validated.append(request.checks_yaml)
        lines = list(enumerate(request.checks_yaml.splitlines(), start=1))
        errors = [
            check_pb2.CheckError(line=number, column=line.index("bogus") + 1, message="expected a check, found bogus")
            for number, line in lines
            if "bogus" in line
        ]
        checks = [
            check_pb2.DeclaredCheck(line=number, definition=line.strip(" -")) for number, line in lines if line.strip().startswith("- ")
        ]
        return check_pb2.ValidateChecksResponse(valid=bool(checks) and not errors, errors=errors, checks=checks)

    async def GetDatasetUsage(self, request: run_pb2.GetDatasetUsageRequest, context: Any) -> run_pb2.GetDatasetUsageResponse:  # noqa: N802
        self.inspected.append(request.dataset_id)
        return self.usage


@dataclass
class QualityProcess:
    """The fake and the server that it is on, which can be stopped."""

    fake: FakeQuality
    server: grpc.aio.Server
    port: int

    async def stop(self) -> None:
        await self.server.stop(None)


@dataclass
class Registry:
    """A running registry, and the ways to call it."""

    stub: registry_service_pb2_grpc.RegistryServiceAsyncStub
    quality: QualityProcess
    database: Database
    settings: RegistrySettings
    key: SigningKey
    signer: ServiceTokenSigner
    channel: grpc.aio.Channel

    def as_user(self, role: str, tenant_id: str | None = None, subject: str | None = None) -> Metadata:
        """Metadata of a user of a role, in a tenant."""
        token = tokens.sign(self.key, tenant_id=tenant_id, role=role, lifetime=timedelta(minutes=5), subject=subject)
        return (("authorization", f"Bearer {token}"),)

    def as_platform(self, tenant_id: str | None = None) -> Metadata:
        """Metadata of a platform admin, who names a tenant or none."""
        return self.as_user("platform_admin") + ((("x-tenant-id", tenant_id),) if tenant_id else ())

    def as_service(self, tenant_id: str | None = None) -> Metadata:
        """Metadata of another service."""
        return (("authorization", f"Bearer {self.signer.token(tenant_id)}"),)

    async def tenant(self, name: str = "acme", **fields: Any) -> str:
        """Id of a new tenant."""
        request = tenant_pb2.CreateTenantRequest(tenant=tenant_pb2.Tenant(name=name, **fields))
        return (await self.stub.CreateTenant(request, metadata=self.as_platform())).id

    async def connection(self, metadata: Metadata, name: str = "wh", **settings: Any) -> connection_pb2.Connection:
        """A new Postgres connection."""
        request = connection_pb2.CreateConnectionRequest(connection=postgres_connection(name, **settings))
        return await self.stub.CreateConnection(request, metadata=metadata)

    async def dataset(self, metadata: Metadata, connection_id: str, name: str = "customers", **fields: Any) -> dataset_pb2.Dataset:
        """A new dataset."""
        given: dict[str, Any] = {"name": name, "connection_id": connection_id, "table": "customers"}
        dataset = dataset_pb2.Dataset(**(given | fields))
        return await self.stub.CreateDataset(dataset_pb2.CreateDatasetRequest(dataset=dataset), metadata=metadata)

    async def rows(self, sql: str, *arguments: object) -> list[Mapping[str, Any]]:
        """What a superuser sees."""
        connection = await asyncpg.connect(self.database.url("postgres"))
        try:
            return [dict(row) for row in await connection.fetch(sql, *arguments)]
        finally:
            await connection.close()


def postgres_connection(name: str = "wh", **settings: Any) -> connection_pb2.Connection:
    """A Postgres connection to nowhere in particular."""
    given: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 5432,
        "database": "shop",
        "user": "reader",
        "password": "s3cret-p4ss",
        "sslmode": "disable",
    }
    return connection_pb2.Connection(name=name, postgres=connection_pb2.PostgresSettings(**(given | settings)))


def snowflake_connection(name: str = "sf", **settings: Any) -> connection_pb2.Connection:
    """A Snowflake connection to an emulator that is not there."""
    given: dict[str, Any] = {"account": "emulator", "user": "CHALK", "database": "CHALK", "schema": "PUBLIC", "password": "s3cret-p4ss"}
    given |= {"host": "127.0.0.1", "port": 1, "protocol": "http"}
    if "private_key_pem" in settings:
        del given["password"]
    return connection_pb2.Connection(name=name, snowflake=connection_pb2.SnowflakeSettings(**(given | settings)))


async def refused(call: Awaitable[Answer]) -> RemoteError:
    """What a call that must fail was answered."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return remote_error(error)
    raise AssertionError(f"the call was taken: {answer}")


@asynccontextmanager
async def running_quality() -> AsyncIterator[QualityProcess]:
    """A fake quality service on a free port, healthy."""
    server, fake = grpc.aio.server(), FakeQuality()  # type: ignore[abstract]  # the stubs' base answers the rest
    quality_service_pb2_grpc.add_QualityServiceServicer_to_server(fake, server)
    health = grpc_health.v1.health.aio.HealthServicer()
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield QualityProcess(fake, server, port)
    finally:
        await server.stop(None)


@asynccontextmanager
async def running_registry(database: Database, directory: Path, free_port: Callable[[], int], **overrides: Any) -> AsyncIterator[Registry]:
    """A registry with its own main.run, until the block ends."""
    async with running_quality() as quality:
        user_key, service_key = SigningKey.generate(), SigningKey.generate()
        settings = registry_settings(database, directory, free_port(), quality.port, user_key, service_key, overrides)
        async with AsyncExitStack() as stack:
            task = asyncio.create_task(run(settings, stack))
            async with grpc.aio.insecure_channel(settings.listen) as channel:
                await _until_serving(channel, task)
                stub: Any = registry_service_pb2_grpc.RegistryServiceStub(channel)
                signer = ServiceTokenSigner(settings.service_key_file, "test")
                yield Registry(stub, quality, database, settings, user_key, signer, channel)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def registry_settings(
    database: Database,
    directory: Path,
    port: int,
    quality_port: int,
    user_key: SigningKey,
    service_key: SigningKey,
    overrides: Mapping[str, Any],
) -> RegistrySettings:
    """Settings of a registry, its key files written to `directory`."""
    files = {
        "users.json": json.dumps(user_key.jwks()),
        "services.json": json.dumps(service_key.jwks()),
        "service.pem": service_key.pem().decode(),
        "kek.json": json.dumps({"active": "k1", "keys": {"k1": base64.b64encode(secrets.token_bytes(32)).decode()}}),
    }
    for name, content in files.items():
        (directory / name).write_text(content)
    values: dict[str, Any] = {
        "listen": f"127.0.0.1:{port}",
        "database_url": database.app_url("registry"),
        "jwt_issuer": tokens.ISSUER,
        "jwt_audience": tokens.AUDIENCE,
        "jwt_jwks_file": directory / "users.json",
        "service_jwks_file": directory / "services.json",
        "service_key_file": directory / "service.pem",
        "kek_file": directory / "kek.json",
        "quality_address": f"127.0.0.1:{quality_port}",
        "egress_allow_loopback": True,
        "drain_wait_seconds": 0,
        "shutdown_grace_seconds": 1,
    }
    return RegistrySettings(**(values | dict(overrides)))


async def _until_serving(channel: grpc.aio.Channel, task: asyncio.Task[None]) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)
    while True:
        if task.done():
            await task
        with suppress(grpc.aio.AioRpcError):
            answer = await health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=5)
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
        await asyncio.sleep(0.02)

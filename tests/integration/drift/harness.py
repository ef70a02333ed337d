"""Drift inside the test's own process: a real Postgres keeps what it knows, another database of it is the warehouse."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import grpc

from chalkandduster.drift.v1 import evaluation_pb2
from chalkandduster.drift.v1.drift_service_pb2_grpc import DriftServiceStub, add_DriftServiceServicer_to_server
from chalkandduster.local import tokens as local_tokens
from chalkandduster.local.keys import SigningKey
from chalkandduster.registry.v1 import audit_pb2, connection_pb2, dataset_pb2, registry_service_pb2
from chalkandduster.registry.v1.registry_service_pb2_grpc import RegistryServiceServicer, add_RegistryServiceServicer_to_server
from services.common.auth.tokens import ServiceTokenSigner, TokenVerifier
from services.common.client import RemoteError, ServiceClient, open_channel, remote_error
from services.common.context import current_call
from services.common.errors import DomainError
from services.common.rpc_errors import COMMON_CATALOG, ErrorSpec
from services.common.testing.servers import running_server
from services.drift.app.ports import Engine
from services.drift.composition import SERVICE, Parts, open_database
from services.drift.rpc.errors import CATALOG
from services.drift.rpc.servicer import DriftServicer
from services.drift.settings import DriftSettings
from services.drift.warehouses.opened import OpenWarehouses
from tests.support.databases import Database, password_of
from tests.support.tokens import TokenIssuer

NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)
"""The clock of the service, unless a test sets it."""


class NoDataset(DomainError):
    """The registry of the test has no such dataset."""


class RegistryDown(DomainError):
    """The registry of the test is told to fail."""


_REGISTRY_CATALOG = {
    **COMMON_CATALOG,
    NoDataset: ErrorSpec(grpc.StatusCode.NOT_FOUND, "DATASET_NOT_FOUND"),
    RegistryDown: ErrorSpec(grpc.StatusCode.INTERNAL, "INTERNAL"),
}


@dataclass
class RegistryOfTest(RegistryServiceServicer):
    """Answers what a test put there; keeps the audit events it is sent."""

    datasets: dict[tuple[str, str], registry_service_pb2.ResolveDatasetResponse] = field(default_factory=dict)
    events: list[audit_pb2.TenantAuditEvent] = field(default_factory=list)
    down: bool = False

    def _find(self, request: Any) -> registry_service_pb2.ResolveDatasetResponse:
        if self.down:
            raise RegistryDown
        found = self.datasets.get((current_call().tenant_id or "", request.id))
        if found is None:
            raise NoDataset
        return found

    async def ResolveDataset(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self._find(request)

    async def GetDataset(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self._find(request).dataset

    async def RecordAuditEvents(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.events.extend(request.events)
        return audit_pb2.RecordAuditEventsResponse()


@dataclass(frozen=True)
class Caller:
    """Calls with one token."""

    stub: Any
    metadata: tuple[tuple[str, str], ...]

    async def call(self, method: str, request: Any, seconds: float = 30) -> Any:
        return await getattr(self.stub, method)(request, metadata=self.metadata, timeout=seconds)

    async def refused(self, method: str, request: Any) -> RemoteError:
        """What a call that must fail was answered."""
        try:
            answer = await self.call(method, request)
        except grpc.aio.AioRpcError as error:
            return remote_error(error)
        raise AssertionError(f"{method} was taken: {answer}")

    async def evaluate(self, dataset_id: str, run_id: str | None = None, **fields: Any) -> evaluation_pb2.EvaluateDatasetResponse:
        request = evaluation_pb2.EvaluateDatasetRequest(dataset_id=dataset_id, run_id=run_id or str(uuid.uuid4()), **fields)
        answer: evaluation_pb2.EvaluateDatasetResponse = await self.call("EvaluateDataset", request)
        return answer


@dataclass
class Drift:
    """A served instance and what is around it."""

    parts: Parts
    engine: Any
    registry: RegistryOfTest
    database: Database
    issuer: TokenIssuer
    signer: ServiceTokenSigner
    channel: grpc.aio.Channel
    clock: list[datetime]
    warehouse: connection_pb2.Connection
    tenant: str = field(default_factory=lambda: str(uuid.uuid4()))

    def user(self, role: str = "tenant_admin", tenant_id: str | None = None) -> Caller:
        return self._caller(self.issuer.mint(role, tenant_id or self.tenant))

    def service(self, tenant_id: str | None = None) -> Caller:
        return self._caller(self.signer.token(tenant_id or self.tenant))

    def _caller(self, token: str) -> Caller:
        return Caller(DriftServiceStub(self.channel), (("authorization", f"Bearer {token}"),))

    def dataset(self, table: str, drift_yaml: str = "", **fields: Any) -> str:
        """Registers a dataset; its id."""
        dataset_id, active = str(uuid.uuid4()), fields.pop("active", True)
        tenant, connection = fields.pop("tenant", self.tenant), fields.pop("connection", self.warehouse)
        dataset = dataset_pb2.Dataset(id=dataset_id, name=table, connection_id=connection.id, table=table, drift_yaml=drift_yaml, **fields)
        self.registry.datasets[(tenant, dataset_id)] = registry_service_pb2.ResolveDatasetResponse(
            dataset=dataset,
            connection=registry_service_pb2.ResolvedConnection(connection=connection, revision="1"),
            tenant_active=active,
        )
        return dataset_id

    def set_yaml(self, dataset_id: str, drift_yaml: str) -> None:
        self.registry.datasets[(self.tenant, dataset_id)].dataset.drift_yaml = drift_yaml

    async def sql(self, *statements: str) -> None:
        """Runs statements in the warehouse."""
        connection = await asyncpg.connect(self.database.url("postgres"))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def active(self) -> int:
        """How many profile statements run in the warehouse right now."""
        sql = "SELECT FROM pg_stat_activity WHERE usename = 'notifier_app' AND state = 'active' AND query LIKE 'SELECT part,%'"
        return len(await self.rows(sql))

    async def until_active(self, count: int) -> None:
        """Returns when so many run. Raises TimeoutError when it does not come to that."""
        async with asyncio.timeout(20):
            while await self.active() != count:  # noqa: ASYNC110 -- the warehouse sets no event of ours
                await asyncio.sleep(0.05)

    async def rows(self, sql: str, *arguments: object) -> Sequence[Any]:
        """What a superuser sees."""
        connection = await asyncpg.connect(self.database.url("postgres"))
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close()


async def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Returns when the condition holds. Raises TimeoutError when it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 -- nothing in the background tasks sets an event of ours
            await asyncio.sleep(0.03)


@asynccontextmanager
async def running_drift(
    directory: Path, database: Database, issuer: TokenIssuer, engine: Engine, *, background: bool = True, **settings: Any
) -> AsyncIterator[Drift]:
    """Serves inside the block, with the backfill worker and the relay unless `background` is off."""
    service_key, registry, clock = SigningKey.generate(), RegistryOfTest(), [NOON]  # type: ignore[abstract]
    (directory / "service.jwks.json").write_text(json.dumps(service_key.jwks()))
    (directory / "service.pem").write_bytes(service_key.pem())
    async with AsyncExitStack() as stack:
        verifier = TokenVerifier(issuer.jwks_file, local_tokens.ISSUER, local_tokens.AUDIENCE, directory / "service.jwks.json")
        servicers = {"chalkandduster.registry.v1.RegistryService": partial(add_RegistryServiceServicer_to_server, registry)}
        registry_server = await stack.enter_async_context(running_server(servicers, verifier, catalog=_REGISTRY_CATALOG))
        signer = ServiceTokenSigner(directory / "service.pem", "drift")
        client = ServiceClient("registry", open_channel(registry_server.address), signer)
        stack.push_async_callback(client.channel.close)
        ours = _settings(directory, database, issuer, registry_server.address, settings)
        warehouses = OpenWarehouses(4)
        stack.callback(warehouses.close)
        parts = Parts(ours, await open_database(ours, stack), client, warehouses, engine, lambda: clock[0])
        servicer = DriftServicer(parts.use_cases(), ours.evaluation_seconds)
        served = {SERVICE: partial(add_DriftServiceServicer_to_server, servicer)}
        server = await stack.enter_async_context(running_server(served, verifier, catalog=CATALOG))
        tasks = [asyncio.ensure_future(work()) for work in (parts.background() if background else ())]
        stack.push_async_callback(_end, tasks)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.address))
        await _open_warehouse(database)
        yield Drift(parts, engine, registry, database, issuer, signer, channel, clock, warehouse_connection(database))


def warehouse_connection(database: Database) -> connection_pb2.Connection:
    """A login that may read the schema `shop` and nothing else."""
    settings = connection_pb2.PostgresSettings(
        host="127.0.0.1",
        port=database.server.port,
        database=database.name,
        schema="shop",
        user="notifier_app",
        password=password_of("notifier_app"),
        sslmode="disable",
    )
    return connection_pb2.Connection(id=str(uuid.uuid4()), name="warehouse", postgres=settings)


async def _open_warehouse(database: Database) -> None:
    connection = await asyncpg.connect(database.url("postgres"))
    await connection.execute(
        "CREATE SCHEMA IF NOT EXISTS shop; GRANT USAGE ON SCHEMA shop TO notifier_app; "
        "ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO notifier_app"
    )
    await connection.close()


async def _end(tasks: Sequence[asyncio.Future[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _settings(directory: Path, database: Database, issuer: TokenIssuer, registry: str, settings: dict[str, Any]) -> DriftSettings:
    values: dict[str, Any] = {
        "database_url": database.app_url("drift"),
        "jwt_issuer": local_tokens.ISSUER,
        "jwt_audience": local_tokens.AUDIENCE,
        "jwt_jwks_file": issuer.jwks_file,
        "service_jwks_file": directory / "service.jwks.json",
        "service_key_file": directory / "service.pem",
        "registry_address": registry,
        "egress_allow_loopback": True,
        "backfill_lease_seconds": 2,
        "backfill_patience_seconds": 20,
    }
    return DriftSettings(**(values | settings))

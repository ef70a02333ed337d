"""Quality as processes beside a registry of the test's own: real Postgres, real gRPC, real tokens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from chalkandduster.local import tokens as local_tokens
from chalkandduster.local.keys import SigningKey
from chalkandduster.quality.v1 import run_pb2
from chalkandduster.quality.v1.quality_service_pb2_grpc import QualityServiceStub
from chalkandduster.registry.v1 import audit_pb2, connection_pb2, dataset_pb2, registry_service_pb2, tenant_pb2
from chalkandduster.registry.v1.registry_service_pb2_grpc import RegistryServiceServicer, add_RegistryServiceServicer_to_server
from services.common.auth.tokens import TokenVerifier
from services.common.context import current_call
from services.common.errors import DomainError
from services.common.rpc_errors import COMMON_CATALOG, ErrorSpec
from services.common.testing.servers import running_server
from tests.support.databases import Database
from tests.support.tokens import TokenIssuer

ROOT = Path(__file__).parents[3]
_START_SECONDS = 30.0


class NoDataset(DomainError):
    """The registry of the test has no such dataset."""


class NoConnection(DomainError):
    """The registry of the test has no such connection."""


CATALOG = {
    **COMMON_CATALOG,
    NoDataset: ErrorSpec(grpc.StatusCode.NOT_FOUND, "DATASET_NOT_FOUND"),
    NoConnection: ErrorSpec(grpc.StatusCode.NOT_FOUND, "CONNECTION_NOT_FOUND"),
}


@dataclass
class RegistryOfTest(RegistryServiceServicer):
    """Answers what a test put there; keeps the audit events it is sent."""

    datasets: dict[tuple[str, str], registry_service_pb2.ResolveDatasetResponse] = field(default_factory=dict)
    events: list[audit_pb2.TenantAuditEvent] = field(default_factory=list)
    resolved: int = 0

    def put(
        self,
        tenant_id: str,
        dataset_id: str,
        *,
        name: str = "customers",
        table: str = "customers",
        checks_yaml: str = "checks for customers:\n- row_count > 0\n",
        connection: connection_pb2.Connection | None = None,
        cap: int = 4,
        active: bool = True,
        variables: Mapping[str, str] | None = None,
        samples: dataset_pb2.SamplePolicy | None = None,
    ) -> None:
        settings = connection_pb2.PostgresSettings(host="127.0.0.1", port=1, database="d", user="u", password="p", sslmode="disable")
        connection = connection or connection_pb2.Connection(id=dataset_id, name="warehouse", postgres=settings)
        dataset = dataset_pb2.Dataset(
            id=dataset_id,
            name=name,
            connection_id=connection.id,
            table=table,
            checks_yaml=checks_yaml,
            variables=variables,
            samples=samples,
        )
        self.datasets[(tenant_id, dataset_id)] = registry_service_pb2.ResolveDatasetResponse(
            dataset=dataset,
            connection=registry_service_pb2.ResolvedConnection(connection=connection, revision="1"),
            quotas=tenant_pb2.Quotas(max_concurrent_runs=cap),
            tenant_active=active,
        )

    async def ResolveDataset(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.resolved += 1
        found = self.datasets.get((current_call().tenant_id or "", request.id))
        if found is None:
            raise NoDataset
        return found

    async def ResolveConnection(self, request: Any, context: Any) -> Any:  # noqa: N802
        tenant = current_call().tenant_id
        for (owner, _), answer in self.datasets.items():
            connection = answer.connection.connection
            if owner == tenant and (request.id or request.name) in (connection.id, connection.name):
                return registry_service_pb2.ResolveConnectionResponse(
                    connection=answer.connection, quotas=answer.quotas, tenant_active=answer.tenant_active
                )
        raise NoConnection

    async def RecordAuditEvents(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.events.extend(request.events)
        return audit_pb2.RecordAuditEventsResponse()


@dataclass
class QualityProcess:
    """One process of the service."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def kill(self) -> None:
        """As the kernel would: no goodbye."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        return await asyncio.to_thread(self.process.wait, 40)

    def lines(self) -> list[dict[str, Any]]:
        """The JSON log so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def messages(self) -> list[str]:
        return [str(line["message"]) for line in self.lines()]


@dataclass
class Platform:
    """What the tests of quality share: keys, database, registry, and processes of the service."""

    directory: Path
    database: Database
    issuer: TokenIssuer
    service_key: SigningKey
    registry: RegistryOfTest
    registry_address: str
    stack: AsyncExitStack
    processes: list[QualityProcess] = field(default_factory=list)

    def environment(self, **settings: object) -> dict[str, str]:
        defaults = {
            "LISTEN": "127.0.0.1:0",
            "DATABASE_URL": self.database.app_url("quality"),
            "JWT_ISSUER": local_tokens.ISSUER,
            "JWT_AUDIENCE": local_tokens.AUDIENCE,
            "JWT_JWKS_FILE": self.issuer.jwks_file,
            "SERVICE_JWKS_FILE": self.directory / "service.jwks.json",
            "SERVICE_KEY_FILE": self.directory / "service.pem",
            "REGISTRY_ADDRESS": self.registry_address,
            "EGRESS_ALLOW_LOOPBACK": "true",
            "DRAIN_WAIT_SECONDS": "0",
            "SHUTDOWN_GRACE_SECONDS": "5",
            "LEASE_SECONDS": "2",
            "SCHEDULER": "false",
        }
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        ours = {f"CHALKANDDUSTER_{name}": str(value) for name, value in {**defaults, **{k.upper(): v for k, v in settings.items()}}.items()}
        return {**inherited, **ours, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.directory)}

    async def start(self, *, module: str = "tests.integration.quality.with_test_engine", **settings: object) -> QualityProcess:
        """A process of the service, serving. With the engine of the test unless another `module` is named."""
        log = self.directory / f"quality-{len(self.processes)}.log"
        with log.open("wb") as stderr:
            process = subprocess.Popen(  # noqa: ASYNC220 -- returns in a millisecond
                [sys.executable, "-m", module, "serve"], cwd=self.directory, env=self.environment(**settings), stderr=stderr
            )
        started = QualityProcess(process, 0, log)
        self.processes.append(started)
        started.port = await _port(started)
        return started

    def token(self, tenant_id: str, role: str = "tenant_admin") -> str:
        return self.issuer.mint(role, tenant_id)

    async def caller(self, process: QualityProcess, tenant_id: str, role: str = "tenant_admin") -> Caller:
        """A user's stub."""
        channel = grpc.aio.insecure_channel(process.address)
        self.stack.push_async_callback(channel.close)
        return Caller(QualityServiceStub(channel), (("authorization", f"Bearer {self.token(tenant_id, role)}"),))


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Returns when the condition holds. Raises TimeoutError when it does not in time."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 -- nothing in another process sets an event of ours
            await asyncio.sleep(0.03)


@dataclass(frozen=True)
class Caller:
    """Calls with one token."""

    stub: Any
    metadata: tuple[tuple[str, str], ...]

    async def trigger(self, dataset_id: str, **fields: Any) -> run_pb2.Run:
        found: run_pb2.Run = await self.call("TriggerDataset", run_pb2.TriggerDatasetRequest(dataset_id=dataset_id, **fields))
        return found

    async def get(self, run_id: str) -> run_pb2.Run:
        found: run_pb2.Run = await self.call("GetRun", run_pb2.GetRunRequest(id=run_id))
        return found

    async def call(self, method: str, request: Any) -> Any:
        return await getattr(self.stub, method)(request, metadata=self.metadata, timeout=20)

    async def state(self, run_id: str, *wanted: str, seconds: float = 30) -> run_pb2.Run:
        """The run once it is in one of the states."""
        async with asyncio.timeout(seconds):
            while True:
                run = await self.get(run_id)
                if run_pb2.Run.State.Name(run.state) in wanted:
                    return run
                await asyncio.sleep(0.05)

    async def ended(self, run_id: str, seconds: float = 30) -> run_pb2.Run:
        return await self.state(run_id, "SUCCEEDED", "ERRORED", "CANCELLED", seconds=seconds)


async def _port(started: QualityProcess) -> int:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            for line in started.lines():
                if line["message"] == "Serving.":
                    return int(line["port"])
            if started.process.poll() is not None:
                raise AssertionError(f"quality did not start: {started.log.read_text()}")
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running_platform(directory: Path, database: Database, issuer: TokenIssuer) -> AsyncIterator[Platform]:
    """A registry that answers, and no process of quality yet. Ends all that was started."""
    service_key = SigningKey.generate()
    (directory / "service.jwks.json").write_text(json.dumps(service_key.jwks()))
    (directory / "service.pem").write_bytes(service_key.pem())
    registry = RegistryOfTest()  # type: ignore[abstract]  # a call that quality never makes is UNIMPLEMENTED
    verifier = TokenVerifier(issuer.jwks_file, local_tokens.ISSUER, local_tokens.AUDIENCE, directory / "service.jwks.json")
    servicers = {"chalkandduster.registry.v1.RegistryService": partial(add_RegistryServiceServicer_to_server, registry)}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_server(servicers, verifier, catalog=CATALOG))
        platform = Platform(directory, database, issuer, service_key, registry, server.address, stack)
        try:
            yield platform
        finally:
            for process in platform.processes:
                await process.stop()

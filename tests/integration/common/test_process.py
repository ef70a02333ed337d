"""A service as a process: how it starts, says that it is well, and ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psycopg2
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chalkandduster.local.tokens import AUDIENCE, ISSUER
from chalkandduster.registry.v1.tenant_pb2 import GetTenantRequest
from tests.integration.common import echo
from tests.integration.common.conftest import TENANT, Keys
from tests.support.databases import Database

ROOT = Path(__file__).resolve().parents[3]
REQUEST = GetTenantRequest(id=TENANT)
# What a health-checking client is, and nothing that would hide a lost call by trying again.
CHECKING = json.dumps({"healthCheckConfig": {"serviceName": ""}, "loadBalancingConfig": [{"round_robin": {}}]})
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass
class Service:
    """A child process and its log."""

    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    async def line(self, message: str) -> dict[str, Any]:
        """The next line with this message."""
        assert self.process.stderr is not None
        async with asyncio.timeout(30):
            while text := await self.process.stderr.readline():
                self.texts.append(text.decode())
                if text.startswith(b"{"):
                    self.lines.append(json.loads(text))
                    if self.lines[-1]["message"] == message:
                        return self.lines[-1]
        raise AssertionError(f"no line {message!r} in {self.texts}")

    async def ended(self) -> int:
        """The exit code; the rest of the log is read before."""
        assert self.process.stderr is not None
        async with asyncio.timeout(30):
            rest = await self.process.stderr.read()
            self.texts += rest.decode().splitlines(keepends=True)
            self.lines += [json.loads(text) for text in rest.splitlines() if text.startswith(b"{")]
            return await self.process.wait()


Start = Callable[..., Any]


@pytest.fixture
def environment(keys: Keys, database: Database) -> dict[str, str]:
    ours = {
        "DATABASE_URL": database.app_url("registry"),
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "JWT_JWKS_FILE": str(keys.issuer.jwks_file),
        "SERVICE_JWKS_FILE": str(keys.service_jwks_file),
        "SERVICE_KEY_FILE": str(keys.service_key_file),
        "HEALTH_INTERVAL_SECONDS": "0.2",
        "DRAIN_WAIT_SECONDS": "0.3",
        "SHUTDOWN_GRACE_SECONDS": "10",
    }
    return {**os.environ, **{f"CHALKANDDUSTER_{name}": value for name, value in ours.items()}}


@pytest.fixture
def start(environment: dict[str, str]) -> Start:
    @asynccontextmanager
    async def run(command: str = "serve", **changes: str) -> AsyncIterator[Service]:
        ours = {name if name.startswith("ECHO_") else f"CHALKANDDUSTER_{name}": value for name, value in changes.items()}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.common.echo_service", command),
            env={name: value for name, value in {**environment, **ours}.items() if value},
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        try:
            yield Service(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    return run


async def until(channel: grpc.aio.Channel, status: int, service: str = "") -> None:
    """Returns when health says so."""
    health = health_pb2_grpc.HealthStub(channel)
    async with asyncio.timeout(20):
        while (await health.Check(health_pb2.HealthCheckRequest(service=service), wait_for_ready=True)).status != status:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@asynccontextmanager
async def channel_to(service: Service) -> AsyncIterator[grpc.aio.Channel]:
    """A channel that is there when health says SERVING."""
    address = (await service.line("Serving."))["address"]
    async with grpc.aio.insecure_channel(address) as channel:
        await until(channel, SERVING)
        yield channel


async def test_calls_in_flight_finish_after_sigterm_and_the_exit_code_is_zero(start: Start, keys: Keys) -> None:
    async with start() as service, channel_to(service) as channel:
        stub = echo.EchoStub(channel)
        calls = [stub.Unary(REQUEST, metadata=keys.bearer()) for _ in range(32)]
        await asyncio.sleep(0.05)
        service.process.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*calls)
        assert {answer.id for answer in answers} == {TENANT}
        assert await service.ended() == 0
    assert [line["message"] for line in service.lines if line["message"] in ("Draining.", "Stopped.")] == ["Draining.", "Stopped."]


async def test_no_call_is_lost_when_one_of_two_servers_is_stopped_under_load(start: Start, keys: Keys) -> None:
    async with start() as one, start() as two:
        ports = [(await service.line("Serving."))["port"] for service in (one, two)]
        addresses = ",".join(f"127.0.0.1:{port}" for port in ports)
        done, stop = 0, asyncio.Event()
        async with grpc.aio.insecure_channel(f"ipv4:{addresses}", options=[("grpc.service_config", CHECKING)]) as channel:
            stub = echo.EchoStub(channel)
            await stub.Unary(REQUEST, metadata=keys.bearer(), wait_for_ready=True)

            async def work() -> None:
                nonlocal done
                while not stop.is_set():
                    await stub.Unary(REQUEST, metadata=keys.bearer())
                    done += 1

            workers = [asyncio.create_task(work()) for _ in range(16)]
            await asyncio.sleep(0.5)
            one.process.send_signal(signal.SIGTERM)
            assert await one.ended() == 0
            before = done
            await asyncio.sleep(0.5)
            stop.set()
            await asyncio.gather(*workers)  # raises for a call that failed
        assert before > 0
        assert done > before


async def test_a_server_that_drains_says_not_serving_and_still_takes_calls(start: Start, keys: Keys) -> None:
    async with start(DRAIN_WAIT_SECONDS="3") as service, channel_to(service) as channel:
        service.process.send_signal(signal.SIGTERM)
        await until(channel, NOT_SERVING)
        await until(channel, NOT_SERVING, echo.SERVICE)
        answer = await echo.EchoStub(channel).Unary(REQUEST, metadata=keys.bearer())
        assert answer.id == TENANT
        assert await service.ended() == 0


async def test_an_open_health_watch_does_not_hold_up_the_end(start: Start) -> None:
    async with start(SHUTDOWN_GRACE_SECONDS="25") as service, channel_to(service) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        service.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            assert await service.ended() == 0


async def test_a_second_signal_ends_at_once(start: Start, keys: Keys) -> None:
    async with start(DRAIN_WAIT_SECONDS="60") as service, channel_to(service) as channel:
        service.process.send_signal(signal.SIGINT)
        await until(channel, NOT_SERVING)
        service.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            assert await service.ended() == 0


async def test_health_follows_the_database(start: Start, database: Database) -> None:
    async with start() as service, channel_to(service) as channel:
        with closing(psycopg2.connect(database.server.url("postgres"))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f'ALTER DATABASE "{database.name}" ALLOW_CONNECTIONS false')
                cursor.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.name}'")
                await until(channel, NOT_SERVING)
                await until(channel, NOT_SERVING, echo.SERVICE)
                cursor.execute(f'ALTER DATABASE "{database.name}" ALLOW_CONNECTIONS true')
                await until(channel, SERVING)
    changes = [line for line in service.lines if line["message"] == "Health changed."]
    assert all(line["failing"] in ([], ["database"]) for line in changes)


async def test_a_service_starts_while_its_database_does_not_answer_and_says_so(start: Start, environment: dict[str, str]) -> None:
    url = environment["CHALKANDDUSTER_DATABASE_URL"].replace("@127.0.0.1:", "@127.0.0.1:1", 1).rpartition(":")[0] + ":1/none"
    async with start(DATABASE_URL=url) as service:
        address = (await service.line("Serving."))["address"]
        async with grpc.aio.insecure_channel(address) as channel:
            await until(channel, NOT_SERVING)
        service.process.send_signal(signal.SIGTERM)
        assert await service.ended() == 0
    assert "-test-password" not in "".join(service.texts)


async def test_a_background_task_that_breaks_ends_the_service_for_its_supervisor(start: Start) -> None:
    async with start(ECHO_BACKGROUND="fails") as service:
        assert await service.ended() == 1
        assert "RuntimeError: the worker broke" in "".join(service.texts)
    assert [line["message"] for line in service.lines if line["message"] in ("Draining.", "Stopped.")] == ["Draining.", "Stopped."]


async def test_a_setting_that_is_missing_or_wrong_is_named_in_one_sentence(start: Start) -> None:
    async with start(JWT_ISSUER="", LISTEN="nonsense", DATABASE_POOL_SIZE="many") as service:
        assert await service.ended() == 2
    [line] = service.texts
    assert "CHALKANDDUSTER_JWT_ISSUER is missing" in line
    assert "CHALKANDDUSTER_LISTEN" in line
    assert "CHALKANDDUSTER_DATABASE_POOL_SIZE" in line


async def test_a_port_that_is_taken_is_named_in_one_sentence(start: Start) -> None:
    async with start() as first:
        port = (await first.line("Serving."))["port"]
        async with start(LISTEN=f"127.0.0.1:{port}") as second:
            assert await second.ended() == 1
    assert second.texts[-1] == f"echo: the address 127.0.0.1:{port} cannot be listened on: is another process there?\n"


async def test_a_key_file_that_is_missing_is_named_in_one_sentence(start: Start, tmp_path: Path) -> None:
    async with start(JWT_JWKS_FILE=str(tmp_path / "none.json")) as service:
        assert await service.ended() == 1
    assert service.texts[-1].startswith("echo: none.json is not a JWKS file")
    assert "Traceback" not in "".join(service.texts)


async def test_an_unknown_command_is_a_usage_error(start: Start) -> None:
    async with start("dance") as service:
        assert await service.ended() == 64
    assert service.texts == ["usage: python -m services.echo.main migrate | serve\n"]


async def test_migrate_applies_the_files_and_says_what_is_missing(start: Start, database: Database, tmp_path: Path) -> None:
    files = tmp_path / "migrations"
    files.mkdir()
    (files / "0001_create_thing.sql").write_text("-- migrate:up\nCREATE TABLE registry.thing (id int);\n")
    async with start("migrate", ECHO_MIGRATIONS=str(files)) as without:
        assert await without.ended() == 1
    assert without.texts == ["echo: CHALKANDDUSTER_MIGRATION_DATABASE_URL is missing\n"]
    async with start("migrate", ECHO_MIGRATIONS=str(files), MIGRATION_DATABASE_URL=database.owner_url("registry")) as service:
        assert await service.ended() == 0
    assert [line["migration"] for line in service.lines if line["message"] == "Migration applied."] == ["0001_create_thing"]


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own
        return str(answer.read().decode())


async def test_metrics_are_on_a_port_of_their_own(start: Start, keys: Keys, free_port: Callable[[], int]) -> None:
    port = free_port()
    async with start(METRICS_PORT=str(port)) as service, channel_to(service) as channel:
        await echo.EchoStub(channel).Unary(REQUEST, metadata=keys.bearer())
        shown = await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}/metrics")
    assert 'chalkandduster_api_requests_total{code="OK",method="testing.Unary"} 1.0' in shown
    assert "process_resident_memory_bytes" in shown
    assert 'service_name="chalkandduster-echo"' in shown


async def test_a_metrics_port_that_is_taken_is_named_in_one_sentence(start: Start, free_port: Callable[[], int]) -> None:
    port = free_port()
    async with start(METRICS_PORT=str(port)) as first:
        await first.line("Serving.")
        async with start(METRICS_PORT=str(port)) as second:
            assert await second.ended() == 1
    assert second.texts[-1].startswith(f"echo: the metrics port {port} on 127.0.0.1 cannot be opened")


async def test_lines_of_a_call_carry_its_ids(start: Start, keys: Keys) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    async with start() as service, channel_to(service) as channel:
        metadata = (*keys.bearer(), ("x-request-id", "call-1"), ("traceparent", f"00-{trace}-b7ad6b7169203331-01"))
        await echo.EchoStub(channel).Unary(REQUEST, metadata=metadata)
        line = await service.line("Call finished.")
    assert (line["request_id"], line["trace_id"], line["tenant_id"], line["service"]) == ("call-1", trace, TENANT, "echo")
    assert (line["method"], line["code"], line["level"]) == ("testing.Unary", "OK", "INFO")

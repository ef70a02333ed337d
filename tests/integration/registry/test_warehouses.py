"""Trying connections out against real warehouses: the emulator, Postgres, and hosts that are neither."""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chalkandduster.registry.v1 import connection_pb2
from services.common.ids import new_id
from services.common.snowflake_driver import FileTransferRefused, ReadingCursor
from services.registry.domain.connection import OpenedConnection
from services.registry.domain.secret import Secret, SecretKind
from services.registry.warehouses.failure import quoted
from services.registry.warehouses.probe import Warehouses
from tests.integration.registry.harness import Registry, postgres_connection, snowflake_connection
from tests.support.databases import Database, password_of
from tests.support.warehouse import PASSWORD, USER, Warehouse
from tests.unit.registry import samples


async def tried(registry: Registry, connection: connection_pb2.Connection) -> connection_pb2.TestConnectionResponse:
    admin = registry.as_user("tenant_admin", await registry.tenant(f"t{new_id()[-12:]}"))
    request = connection_pb2.CreateConnectionRequest(connection=connection)
    made = await registry.stub.CreateConnection(request, metadata=admin)
    return await registry.stub.TestConnection(connection_pb2.TestConnectionRequest(id=made.id), metadata=admin)


def emulated(warehouse: Warehouse, **settings: Any) -> connection_pb2.Connection:
    place: dict[str, Any] = {"host": warehouse.emulator.host, "port": warehouse.emulator.port, "schema": warehouse.schema}
    return snowflake_connection(**({"user": USER, "password": PASSWORD} | place | settings))


def of_postgres(target: Database, **settings: Any) -> connection_pb2.Connection:
    place: dict[str, Any] = {"host": target.server.host, "port": target.server.port, "database": target.name, "schema": "registry"}
    return postgres_connection(**({"user": "registry_app", "password": password_of("registry_app")} | place | settings))


async def test_snowflake_login_that_works_tells_version_and_time(registry: Registry, warehouse: Warehouse) -> None:
    answer = await tried(registry, emulated(warehouse))
    assert (answer.ok, answer.error) == (True, "")
    assert answer.server_version
    assert answer.latency_ms > 0


async def test_wrong_snowflake_password_and_key_are_said_in_snowflakes_words(registry: Registry, warehouse: Warehouse) -> None:
    answer = await tried(registry, emulated(warehouse, password="wrong-p4ss"))
    assert (answer.ok, answer.server_version) == (False, "")
    assert answer.error == "Snowflake refused the login: Incorrect username or password was specified."
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    refused_key = await tried(registry, emulated(warehouse, private_key_pem=key.decode(), password=""))
    assert refused_key.error == "Snowflake refused the login: JWT token is invalid."


async def test_nobody_listening_is_said_for_each_kind(registry: Registry, free_port: Callable[[], int]) -> None:
    port = free_port()
    assert (await tried(registry, snowflake_connection(port=port))).error == f"127.0.0.1:{port} cannot be reached."
    assert (await tried(registry, postgres_connection(port=port))).error == f"Nothing listens on 127.0.0.1:{port}."


async def test_host_that_does_not_resolve_is_saved_and_said_when_tried(registry: Registry) -> None:
    for connection in (snowflake_connection(host="no-such-host.invalid"), postgres_connection(host="no-such-host.invalid")):
        answer = await tried(registry, connection)
        assert not answer.ok
        assert "no-such-host.invalid" in answer.error


async def test_postgres_login_that_works_tells_version(registry: Registry, registry_database: Database) -> None:
    answer = await tried(registry, of_postgres(registry_database))
    assert (answer.ok, answer.error) == (True, "")
    assert int(answer.server_version.split(".")[0]) >= 15


async def test_postgres_refusals_are_told_apart(registry: Registry, registry_database: Database) -> None:
    cases = {
        "wrong user or password for registry_app": {"password": "wrong-p4ss"},
        "wrong user or password for nobody": {"user": "nobody"},
        "There is no database nowhere": {"database": "nowhere"},
        "has no schema nowhere": {"schema": "nowhere"},
        "does not offer TLS": {"sslmode": "require"},
    }
    for expected, settings in cases.items():
        answer = await tried(registry, of_postgres(registry_database, **settings))
        assert (answer.ok, expected in answer.error) == (False, True), answer.error
        assert "wrong-p4ss" not in answer.error


@contextmanager
def host_that_answers(status: int, body: bytes = b"", **headers: str) -> Iterator[tuple[int, list[str]]]:
    """A host on a free port that gives everybody the same answer; its port and the paths it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            for name, value in (headers | {"content-length": str(len(body)), "content-type": "application/json"}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, b"", "knows no Snowflake account emulator"),
        (403, b"", "knows no Snowflake account emulator"),
        (200, b'{"surprise": 1}', "does not answer like Snowflake"),
        (200, b'{"success": false, "data": {}, "message": "a\\nb\\u0007 ' + b"x" * 5000 + b'"}', "Snowflake refused the login: a b xxx"),
    ],
    ids=["404", "403", "other JSON", "hostile message"],
)
async def test_hosts_that_are_no_snowflake(registry: Registry, status: int, body: bytes, expected: str) -> None:
    with host_that_answers(status, body) as (port, _):
        answer = await tried(registry, snowflake_connection(port=port))
    assert not answer.ok
    assert expected in answer.error
    assert len(answer.error) < 500


async def test_redirect_to_another_place_is_not_followed(registry: Registry) -> None:
    with (
        host_that_answers(200, b'{"success": false, "data": {}, "message": "reached"}') as (inner_port, asked),
        host_that_answers(307, location=f"http://127.0.0.1:{inner_port}/inner") as (port, _),
    ):
        answer = await tried(registry, snowflake_connection(port=port))
    assert (answer.ok, "reached" in answer.error, asked) == (False, False, [])


async def test_order_to_move_files_is_refused() -> None:
    with pytest.raises(FileTransferRefused):
        ReadingCursor._create_file_transfer_agent(Any)  # type: ignore[arg-type]  # needs no cursor to refuse


async def test_silent_host_does_not_hold_the_call(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.registry.warehouses.postgres.CONNECT_SECONDS", 0.3)
    monkeypatch.setattr("services.registry.warehouses.snowflake.LOGIN_SECONDS", 1)
    monkeypatch.setattr("services.registry.warehouses.snowflake.STATEMENT_SECONDS", 1)

    async def be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(be_silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        assert "did not answer within" in (await tried(registry, postgres_connection(port=port))).error
        assert "did not complete the login within" in (await tried(registry, snowflake_connection(port=port))).error


async def test_probe_as_a_whole_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object) -> str:
        await asyncio.sleep(60)
        return ""

    monkeypatch.setattr("services.registry.warehouses.probe.LIMIT_SECONDS", 0.05)
    monkeypatch.setattr("services.registry.warehouses.postgres.log_in", hang)
    warehouses = Warehouses()
    opened = OpenedConnection(samples.connection(new_id(), settings=samples.POSTGRES), Secret(SecretKind.PASSWORD, "x"))
    result = await warehouses.probe(opened, ["127.0.0.1"])
    warehouses.close()
    assert (result.ok, "did not answer" in result.error) == (False, True)


def test_quoted_text_is_one_bounded_line() -> None:
    assert quoted("a\r\n\tb\x00\u202ec  d") == "a b c d"
    assert len(quoted("x" * 10_000)) == 301

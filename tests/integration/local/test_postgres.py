"""The embedded Postgres and the roles the services rely on."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from chalkandduster.local import bootstrap, children, postgres, roles
from chalkandduster.local.postgres import BINARIES_VARIABLE, PostgresError, PostgresServer
from tests.support.databases import Database, password_of

_ROLES = {role: password_of(role) for role in roles.LOGIN_ROLES}


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    # Not pytest's tmp_path: as root Postgres runs as nobody, who may not enter it.
    with tempfile.TemporaryDirectory(prefix="chalkandduster-pg-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o711)
        with PostgresServer(Path(directory) / "postgres") as running:
            yield running


async def test_data_and_password_survive_a_restart(server: PostgresServer) -> None:
    await _execute(server.url("postgres"), "CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop()
    server.start()
    assert await _fetch(server.url("postgres"), "SELECT answer FROM kept") == 42


async def test_a_wrong_password_is_refused(server: PostgresServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.url("postgres", password="wrong"))


async def test_the_server_listens_on_loopback_only_and_does_not_run_as_root(server: PostgresServer) -> None:
    assert await _fetch(server.url("postgres"), "SHOW listen_addresses") == "127.0.0.1"
    assert await _fetch(server.url("postgres"), "SHOW unix_socket_directories") == ""


def test_stop_leaves_no_process(server: PostgresServer) -> None:
    pid = server.pid
    server.stop()
    assert not server.is_running()
    assert not Path(f"/proc/{pid}").exists()


def test_a_taken_port_is_named(server: PostgresServer) -> None:
    with pytest.raises(PostgresError, match=f"port {server.port} .the port is taken"):
        PostgresServer(server.directory.parent / "second", port=server.port).start()


def test_a_second_server_on_the_same_data_is_refused(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_LEFTOVER_LIMIT_S", 0.2)
    with pytest.raises(PostgresError, match=f"process {server.pid} already serves"):
        PostgresServer(server.directory).start()


def test_missing_binaries_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BINARIES_VARIABLE, str(tmp_path))
    with pytest.raises(PostgresError, match=f"no program postgres in {tmp_path} .{BINARIES_VARIABLE}"):
        PostgresServer(tmp_path / "postgres").start()


def test_data_of_another_major_version_is_refused(server: PostgresServer) -> None:
    server.stop()
    (server.data / "PG_VERSION").write_text("9\n", encoding="ascii")
    with pytest.raises(PostgresError, match="was written by Postgres 9"):
        server.start()


def test_a_killed_parent_takes_the_server_with_it(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from chalkandduster.local.postgres import PostgresServer\n"
        f"server = PostgresServer(Path({str(tmp_path / 'postgres')!r})).start(); print(server.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=children.environment())
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
    assert "database system is shut down" in (tmp_path / "postgres" / "postgres.log").read_text(encoding="utf-8")


async def test_bootstrap_repeats_without_harm(database: Database) -> None:
    await bootstrap.bootstrap_async(database.server, _ROLES, database.name)
    assert await _fetch(database.app_url("registry"), "SHOW search_path") == "registry, pg_temp"


async def test_the_app_role_owns_nothing_and_cannot_bypass_row_security(database: Database) -> None:
    rows = await _rows(
        database.url("postgres"), "SELECT rolname, rolbypassrls, rolsuper, rolcanlogin FROM pg_roles WHERE rolname LIKE 'quality\\_%'"
    )
    assert {tuple(row) for row in rows} == {
        ("quality_owner", False, False, True),
        ("quality_app", False, False, True),
        ("quality_system", True, False, False),
    }
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _execute(database.app_url("quality"), "CREATE TABLE mine (a int)")


async def test_a_migration_can_hand_a_function_to_the_system_role(database: Database) -> None:
    await _execute(
        database.owner_url("quality"),
        """
        CREATE TABLE run (tenant int);
        ALTER TABLE run ENABLE ROW LEVEL SECURITY;
        ALTER TABLE run FORCE ROW LEVEL SECURITY;
        CREATE POLICY own ON run USING (tenant = 1) WITH CHECK (true);
        GRANT SELECT ON run TO quality_system, quality_app;
        INSERT INTO run VALUES (1), (2);
        CREATE FUNCTION count_all() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = quality, pg_temp
            AS 'SELECT count(*) FROM run';
        ALTER FUNCTION count_all() OWNER TO quality_system;
        GRANT EXECUTE ON FUNCTION count_all() TO quality_app;
        """,
    )
    assert await _fetch(database.app_url("quality"), "SELECT count(*) FROM run") == 1
    assert await _fetch(database.app_url("quality"), "SELECT count_all()") == 2


async def test_a_service_cannot_enter_another_services_schema(database: Database) -> None:
    await _execute(database.owner_url("registry"), "CREATE TABLE tenant (id int)")
    for role in ("quality_app", "quality_owner", "notifier_app"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _execute(database.url(role), "SELECT * FROM registry.tenant")


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def _rows(url: str, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(sql))
    finally:
        await connection.close()


async def _fetch(url: str, sql: str) -> object:
    return (await _rows(url, sql))[0][0]

"""Starting, watching and stopping the whole suite, over fake services."""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg2
import pytest
import snowflake.connector

from chalkandduster.local import commands, ports, report
from chalkandduster.local.report import SuiteStatus
from chalkandduster.local.state import State
from tests.integration.local.conftest import FakeSuite, gone

Start = Callable[..., FakeSuite]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_of_it_and_leaves_no_process(start: Start, signum: int) -> None:
    suite = start()
    suite.wait_for("up")
    family = suite.processes()
    assert suite.stop(signum) == 0
    assert suite.said[-1] == "stopped"
    assert gone(family) == []


def test_a_signal_during_the_start_stops_what_had_started(start: Start) -> None:
    suite = start()
    suite.wait_for("postgres")
    family = suite.processes()
    assert suite.stop() == 0
    assert gone(family) == []


def test_a_killed_supervisor_takes_every_child_with_it(start: Start) -> None:
    suite = start()
    suite.wait_for("up")
    family = suite.processes()
    suite.stop(signal.SIGKILL)
    assert gone(family) == []
    assert suite.status().phase == "STOPPED"


def test_a_suite_starts_again_right_after_its_supervisor_was_killed(start: Start) -> None:
    first = start()
    first.wait_for("up")
    first.stop(signal.SIGKILL)
    second = start()
    second.wait_for("up")
    assert second.status().running


def test_status_tells_where_everything_is(running: FakeSuite) -> None:
    status = running.status()
    assert status.running
    assert {name: service.state for name, service in status.services.items()} == {
        "warehouse": "READY",
        "postgres": "READY",
        "registry": "READY",
        "quality": "READY",
        "gateway": "READY",
    }
    assert _answers(status)


def _answers(status: SuiteStatus) -> bool:
    assert status.gateway is not None
    assert status.postgres is not None
    assert status.warehouse is not None
    assert httpx.get(status.gateway["openapi_url"], trust_env=False).status_code == 200
    with closing(psycopg2.connect(status.postgres["url"])) as postgres, postgres.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname IN ('registry', 'quality', 'drift', 'notifier')")
        assert cursor.fetchall() == [(4,)]
    assert _ask(status.warehouse, "SELECT CURRENT_SCHEMA()") == [(status.warehouse["schema"],)]
    return True


def _ask(warehouse: dict[str, Any], sql: str) -> list[tuple[Any, ...]]:
    with closing(snowflake.connector.connect(**warehouse, network_timeout=10, login_timeout=10)) as connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()]


def test_data_ports_and_keys_survive_a_restart(start: Start) -> None:
    suite = start()
    suite.wait_for("up")
    before = suite.status()
    assert before.warehouse is not None
    _ask(before.warehouse, "CREATE TABLE kept AS SELECT 7 AS n")
    key = State(suite.state).issuer_key().kid
    suite.stop()
    suite = start()
    suite.wait_for("up")
    after = suite.status()
    assert (after.warehouse, after.postgres) == (before.warehouse, before.postgres)
    assert State(suite.state).issuer_key().kid == key
    assert _ask(before.warehouse, "SELECT n FROM kept") == [(7,)]


def test_the_emulator_lets_anyone_in_but_its_own_user_only_with_the_password(running: FakeSuite) -> None:
    warehouse = running.status().warehouse
    assert warehouse is not None
    assert _ask({**warehouse, "user": "someone", "password": "whatever"}, "SELECT 1") == [(1,)]
    with pytest.raises(snowflake.connector.errors.DatabaseError, match="Incorrect username or password"):
        _ask({**warehouse, "password": "wrong"}, "SELECT 1")


def test_only_the_owner_reads_the_secrets(running: FakeSuite) -> None:
    readable = [path for path in running.state.joinpath("keys").iterdir() if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert readable == []
    assert stat.S_IMODE(running.state.joinpath("keys").stat().st_mode) == 0o700
    assert stat.S_IMODE(running.state.stat().st_mode) & 0o066 == 0


def test_a_second_suite_on_the_same_state_is_refused_and_the_first_goes_on(running: FakeSuite) -> None:
    second = FakeSuite(running.state, 0, "good")
    assert second.wait_until_ended() == 1
    refusal = (
        f"error: a suite with the state {running.state} already runs (process {running.process.pid}): stop it with chalkandduster down"
    )
    assert second.said == [f"{refusal}, or choose another state directory with --state"]
    assert running.status().running
    second.close()


def test_a_taken_gateway_port_is_one_sentence(start: Start) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        suite = start(gateway_port=port)
        assert suite.wait_until_ended() == 1
    assert len(suite.said) == 1
    assert suite.said[0].startswith(f"error: port {port} of the gateway is taken")
    assert f"process {os.getpid()}" in suite.said[0]


def test_a_service_that_dies_while_starting_is_named_with_its_last_words(start: Start) -> None:
    suite = start("dies")
    assert suite.wait_until_ended() == 1
    log = suite.state / "logs" / "quality.log"
    assert suite.said[-2:] == [f"error: quality ended with exit code 7 while starting; the end of {log}:", "I cannot live like this"]


def test_a_failed_migration_stops_the_start(start: Start) -> None:
    suite = start("bad-migration")
    assert suite.wait_until_ended() == 1
    assert suite.said[-2].startswith("error: the migrations of quality failed")
    assert suite.said[-1] == "migrating as quality_owner"


def test_a_killed_service_is_started_again(start: Start) -> None:
    suite = start()
    suite.wait_for("up")
    killed = suite.status().services["quality"].pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    assert suite.wait_for("quality ended") == "quality ended unexpectedly (signal SIGKILL); starting it again in 0.5 s"
    suite.wait_for("quality is ready again")
    status = suite.status().services["quality"]
    assert (status.state, status.restarts) == ("READY", 1)
    assert status.pid != killed


@pytest.mark.parametrize("name", ["postgres", "warehouse", "gateway"])
def test_postgres_warehouse_and_gateway_come_back_on_their_ports(running: FakeSuite, name: str) -> None:
    before = running.status()
    killed = before.services[name].pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    running.wait_for(f"{name} is ready again")
    assert running.status().gateway == before.gateway
    assert _answers(running.status())


def test_a_service_that_keeps_dying_shows_the_end_of_its_log(start: Start) -> None:
    suite = start("dies-late")
    suite.wait_for("up")
    line = suite.wait_for("it keeps dying")
    assert line.startswith("quality ended unexpectedly (exit code 9); starting it again in 2 s; it keeps dying, the end of ")
    assert suite.wait_for("this is the end")


def test_what_a_killed_service_leaves_behind_is_ended_with_the_suite(start: Start) -> None:
    suite = start("leaves-child")
    suite.wait_for("up")
    child = psutil.Process(int(suite.state.joinpath("logs", "quality.log").read_text(encoding="utf-8").split()[1]))
    killed = suite.status().services["quality"].pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    suite.wait_for("quality is ready again")
    assert child.is_running()
    suite.stop()
    assert gone([child]) == []


def test_a_service_that_ignores_the_signal_is_killed(start: Start) -> None:
    suite = start("deaf")
    suite.wait_for("up")
    family = suite.processes()
    assert suite.stop() == 0
    assert gone(family) == []


def test_down_stops_the_suite_and_says_so(start: Start) -> None:
    suite = start()
    suite.wait_for("up")
    family = suite.processes()
    said: list[str] = []
    commands.down(suite.state, said.append)
    assert said == ["stopped"]
    assert suite.wait_until_ended() == 0
    assert gone(family) == []


def test_down_without_a_suite_says_so(state: Path) -> None:
    said: list[str] = []
    commands.down(state, said.append)
    assert said == [f"no suite runs with the state {state}"]


def test_down_leaves_a_process_alone_that_only_has_the_old_number(state: Path) -> None:
    State(state).prepare()
    State(state).write_run({"phase": "RUNNING", "pid": os.getpid(), "started": time.time() - 86_400.0, "services": []})
    said: list[str] = []
    commands.down(state, said.append)
    assert said == [f"no suite runs with the state {state}"]
    assert not report.read(state).running


def test_ports_found_free_can_be_listened_on() -> None:
    port = ports.find_free()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        assert not ports.is_free(port)
    assert ports.is_free(port)

"""The state directory and what others read in it."""

from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path

import psutil

from chalkandduster.local import report
from chalkandduster.local.state import State


def _run(**changes: object) -> dict[str, object]:
    run: dict[str, object] = {
        "phase": "RUNNING",
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
        "gateway": {"url": "http://127.0.0.1:8000"},
        "postgres": {"host": "127.0.0.1", "port": 5432, "database": "chalkandduster"},
        "warehouse": {"host": "127.0.0.1", "port": 8085, "database": "CHALK", "schema": "PUBLIC"},
        "services": [
            {"name": "quality", "state": "READY", "pid": 12, "address": "127.0.0.1:7", "metrics_url": None, "deaths": 2, "log": "q.log"}
        ],
    }
    return run | changes


def test_an_empty_directory_reads_as_stopped(tmp_path: Path) -> None:
    status = report.read(tmp_path)
    assert (status.running, status.phase, status.gateway, status.services) == (False, "STOPPED", None, {})


def test_a_running_suite_is_reported_with_its_addresses(tmp_path: Path) -> None:
    State(tmp_path).prepare()
    State(tmp_path).write_run(_run())
    status = report.read(tmp_path)
    assert status.running
    assert status.gateway == {
        "url": "http://127.0.0.1:8000",
        "docs_url": "http://127.0.0.1:8000/docs",
        "openapi_url": "http://127.0.0.1:8000/openapi.json",
    }
    assert status.postgres is not None
    assert status.postgres["url"].startswith("postgresql://postgres:")
    assert status.services["quality"] == report.ServiceStatus("READY", 12, "127.0.0.1:7", None, 2, "q.log")


def test_a_starting_suite_does_not_run_yet(tmp_path: Path) -> None:
    State(tmp_path).prepare()
    State(tmp_path).write_run(_run(phase="STARTING"))
    status = report.read(tmp_path)
    assert (status.running, status.phase) == (False, "STARTING")


def test_a_suite_whose_process_is_gone_reads_as_stopped(tmp_path: Path) -> None:
    State(tmp_path).prepare()
    State(tmp_path).write_run(_run(started=1.0))
    status = report.read(tmp_path)
    assert (status.running, status.phase, status.services["quality"].state) == (False, "STOPPED", "STOPPED")


def test_status_is_plain_json(tmp_path: Path) -> None:
    State(tmp_path).prepare()
    State(tmp_path).write_run(_run())
    content = json.loads(json.dumps(report.read(tmp_path).as_dict()))
    assert content["services"]["quality"]["state"] == "READY"
    assert content["warehouse"] == {"host": "127.0.0.1", "port": 8085, "database": "CHALK", "schema": "PUBLIC"}


def test_a_broken_run_file_reads_as_stopped(tmp_path: Path) -> None:
    State(tmp_path).run_file.write_text("{", encoding="utf-8")
    assert report.read(tmp_path).phase == "STOPPED"


def test_secrets_are_made_once_and_only_the_owner_reads_them(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    state.prepare()
    before = state.passwords(), state.warehouse_password(), state.kek_file().read_bytes()
    state.prepare()
    assert (state.passwords(), state.warehouse_password(), state.kek_file().read_bytes()) == before
    assert {stat.S_IMODE(path.stat().st_mode) for path in state.keys.iterdir()} == {0o600}


def test_every_role_has_a_password_of_its_own(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.prepare()
    passwords = state.passwords()
    assert len(set(passwords.values())) == len(passwords) == 9


def test_the_wrapping_key_is_256_random_bits(tmp_path: Path) -> None:
    keys = []
    for name in ("one", "other"):
        state = State(tmp_path / name)
        state.prepare()
        content = json.loads(state.kek_file().read_text(encoding="utf-8"))
        keys.append(base64.b64decode(content["keys"][content["active"]]))
    assert [len(key) for key in keys] == [32, 32]
    assert keys[0] != keys[1]

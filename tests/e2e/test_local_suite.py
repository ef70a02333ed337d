"""`demo`, `up --load`, `down`: what a newcomer types first."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from chalkandduster.local import ports
from tests.e2e.conftest import running_suite
from tests.e2e.suite import CLI
from tests.support.shared_data import shared_data

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow]


def test_demo_finds_the_flaws_and_says_so_on_its_last_line(tmp_path: Path) -> None:
    done = subprocess.run([CLI, "demo", "--state", str(tmp_path / "demo")], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.strip().splitlines()[-1]
    found = re.fullmatch(r"demo: run [0-9a-f-]{36} verdict FAIL, (\d+) of (\d+) checks failed", last)
    assert found, last
    failed, total = map(int, found.groups())
    assert 0 < failed < total


def test_suite_leaves_no_process_and_keeps_its_state(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with running_suite(state) as suite:
        tenant = suite.new_tenant()
        pids = _pids(suite.status())
    assert len(pids) >= 5
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    with running_suite(state) as suite:
        assert suite.admin.get("/tenants", name=tenant.name)["tenants"][0]["id"] == tenant.id


def test_taken_port_is_one_clear_sentence(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [CLI, "up", "--detach", "--gateway-port", str(port), "--state", str(tmp_path / "state")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode != 0
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


def test_hourly_weather_with_real_gaps_is_loaded_and_checked(tmp_path: Path) -> None:
    weather = shared_data("nyc2013", "weather.csv.gz")
    state = tmp_path / "state"
    command = [CLI, "up", "--detach", "--gateway-port", str(ports.find_free()), "--state", str(state), "--load", str(weather)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        listed = json.loads(
            subprocess.run(
                [CLI, "runs", "--json", "--state-dir", str(state)], capture_output=True, text=True, timeout=60, check=True
            ).stdout
        )
        (run,) = listed["runs"] if isinstance(listed, dict) else listed
        assert run["state"] == "SUCCEEDED"
        assert int(run["check_counts"]["total"]) > 1
    finally:
        subprocess.run([CLI, "down", "--state", str(state)], timeout=60, check=True)


def _pids(status: dict[str, object]) -> list[int]:
    found: list[int] = []
    for value in status.values():
        if isinstance(value, dict):
            found += _pids(value)
    return found + ([int(str(status["pid"]))] if status.get("pid") else [])

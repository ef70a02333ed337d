"""The suite with its real services: the demo, a user's file, and what a kill leaves behind."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from chalkandduster.local import children, commands, ports, programs, tokens
from chalkandduster.local.supervisor import SuiteError
from tests.integration.local.conftest import gone
from tests.support.shared_data import shared_data

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif("quality" not in programs.found_services(), reason="needs the registry and quality services"),
]


def _demo(state: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from chalkandduster.cli.main import main; main()", "demo", "--state", str(state)]
    return subprocess.run(command, capture_output=True, text=True, env=children.environment(), check=False)


def test_the_demo_finds_the_flaws_and_says_so_last_also_when_repeated(state: Path) -> None:
    first, second = _demo(state), _demo(state)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    lines = [demo.stdout.splitlines()[-1] for demo in (first, second)]
    found = [re.fullmatch(r"demo: run ([0-9a-f-]{36}) verdict FAIL, 8 of 14 checks failed", line) for line in lines]
    assert all(found), lines
    assert lines[0] != lines[1]
    assert not commands.status(state / "demo").running


def test_a_file_of_the_user_is_loaded_registered_and_checked(state: Path) -> None:
    weather = shared_data("nyc2013", "weather.csv.gz")
    said: list[str] = []
    try:
        commands.up(state, ports.find_free(), detach=True, load=weather, say=said.append)
        run = _last_run(state)
        assert (run["state"], run["verdict"]) == ("SUCCEEDED", "FAIL")
        # Gusts are seldom measured, pressure fails now and then.
        verdicts = {check["name"]: check["verdict"] for check in run["checks"] if check["verdict"] != "PASS"}
        assert verdicts == {"missing_percent(WIND_GUST)": "FAIL", "missing_percent(PRESSURE)": "WARN"}
        assert any("26,115 rows in table CHALK.PUBLIC.WEATHER" in line for line in said)
        with pytest.raises(SuiteError, match="already runs"):
            commands.up(state, ports.find_free(), detach=True)
    finally:
        commands.down(state, said.append)
    assert said[-1] == "stopped"


def _last_run(state: Path) -> dict[str, Any]:
    gateway = (commands.status(state).gateway or {})["url"]
    admin = tokens.mint(state, tenant_id=None, role="platform_admin", lifetime=timedelta(minutes=5))
    with httpx.Client(base_url=f"{gateway}/api/v1", headers={"authorization": f"Bearer {admin}"}, trust_env=False) as client:
        tenant = client.get("/tenants", params={"name": "local"}).json()["tenants"][0]["id"]
        client.headers["x-tenant-id"] = tenant
        run = client.get("/runs").json()["runs"][0]["id"]
        return dict(client.get(f"/runs/{run}").json())


def test_a_killed_suite_leaves_no_process_of_the_real_services(state: Path) -> None:
    commands.up(state, ports.find_free(), detach=True, say=lambda _: None)
    supervisor = psutil.Process(commands.status(state).pid)
    family = [supervisor, *supervisor.children(recursive=True)]
    supervisor.send_signal(signal.SIGKILL)
    assert gone(family) == []
    assert not commands.status(state).running


def test_a_file_that_cannot_be_loaded_is_refused_before_anything_starts(state: Path, tmp_path: Path) -> None:
    said: list[str] = []
    for name, words in (("data.xlsx", r"is not a \.csv, \.csv\.gz or \.parquet file"), ("data.csv", "there is no file")):
        with pytest.raises(SuiteError, match=words):
            commands.up(state, ports.find_free(), load=tmp_path / name, say=said.append)
    assert said == []
    assert not state.exists()

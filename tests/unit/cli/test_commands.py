"""Commands that need no gateway: the local suite's, tokens, and how errors look."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chalkandduster.cli import local, suite
from chalkandduster.cli.main import cli

TENANT = "0193f5a0-0000-7000-8000-000000000001"


def run(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), prog_name="chalkandduster", env=env)


class SuiteProblem(Exception):
    """Stands for the suite's own error."""


@dataclass
class FakeCommands:
    """Stands for `chalkandduster.local.commands`; notes what is asked of it."""

    report_content: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    SuiteError: type[Exception] = SuiteProblem

    def up(self, state: Path, **options: Any) -> None:
        self._note("up", (state, options))

    def down(self, state: Path) -> None:
        self._note("down", state)

    def demo(self, state: Path) -> None:
        self._note("demo", state)

    def report(self, state: Path) -> dict[str, Any]:
        self._note("report", state)
        return self.report_content

    def _note(self, name: str, arguments: Any) -> None:
        self.calls.append((name, arguments))
        if self.error:
            raise SuiteProblem(self.error)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    made = FakeCommands()
    monkeypatch.setattr(local, "local_module", lambda name: made)
    return made


@pytest.fixture
def minted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """What tokens were asked for; a suite exists in `tmp_path` and does not run."""
    asked: list[dict[str, Any]] = []

    def mint(state: Path, **claims: Any) -> str:
        asked.append(claims)
        return "header.payload.signature"

    modules = {
        "tokens": SimpleNamespace(mint=mint, TokenError=SuiteProblem),
        "report": SimpleNamespace(read=lambda state: SimpleNamespace(running=False)),
    }
    monkeypatch.setattr(suite, "local_module", modules.__getitem__)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "issuer.pem").touch()
    (tmp_path / "run.json").touch()
    return asked


def test_up_passes_its_options_on(commands: FakeCommands) -> None:
    result = run("up", "--detach", "--gateway-port", "0", "--state", "s", "--load", "trips.csv.gz")
    assert result.exit_code == 0
    assert commands.calls == [("up", (Path("s"), {"gateway_port": 0, "detach": True, "load": Path("trips.csv.gz")}))]


def test_an_error_of_the_suite_is_one_sentence(commands: FakeCommands) -> None:
    commands.error = "port 8000 is taken"
    for command in ("up", "down", "demo", "status"):
        result = run(command)
        assert result.exit_code == 1
        assert result.stderr == "error: port 8000 is taken\n"
        assert result.stdout == ""


def test_the_state_directory_may_come_from_the_environment(commands: FakeCommands) -> None:
    run("down", CHALKANDDUSTER_STATE="elsewhere")
    run("demo")
    assert commands.calls == [("down", Path("elsewhere")), ("demo", Path(".local"))]


def test_status_exits_with_1_when_nothing_runs(commands: FakeCommands) -> None:
    commands.report_content = {"running": False, "phase": "STOPPED", "directory": "/s"}
    assert run("status").stdout == "the suite with the state /s is stopped\n"
    result = run("status", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == commands.report_content


def test_status_shows_where_everything_listens(commands: FakeCommands) -> None:
    commands.report_content = {
        "running": True,
        "gateway": {"url": "http://127.0.0.1:8000", "docs_url": "http://127.0.0.1:8000/docs"},
        "postgres": {"host": "127.0.0.1", "port": 5433, "database": "chalkandduster", "url": "postgresql://u:secret@h"},
        "warehouse": {"protocol": "http", "host": "127.0.0.1", "port": 8443, "database": "DEMO", "schema": "PUBLIC", "password": "secret"},
        "services": {"registry": {"state": "READY", "restarts": 0, "log": "registry.log"}},
    }
    result = run("status")
    assert result.exit_code == 0
    for part in ("http://127.0.0.1:8000/docs", "127.0.0.1:5433/chalkandduster", "http://127.0.0.1:8443", "database DEMO", "READY"):
        assert part in result.stdout
    assert "secret" not in result.stdout


def test_without_the_extra_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.startswith("chalkandduster.local"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psutil", None)
    result = run("up")
    assert result.exit_code == 1
    assert result.stderr == "error: this needs the local suite, and psutil is missing: pip install 'chalkandduster[local]'\n"


def test_a_token_is_all_that_is_printed(minted: list[dict[str, Any]], tmp_path: Path) -> None:
    result = run("token", "--role", "platform_admin", "--expires", "1h30m", "--state", str(tmp_path))
    assert result.exit_code == 0
    assert result.output == "header.payload.signature\n"
    assert minted == [{"tenant_id": None, "role": "platform_admin", "lifetime": timedelta(minutes=90)}]


def test_an_id_of_a_tenant_needs_no_running_suite(minted: list[dict[str, Any]], tmp_path: Path) -> None:
    result = run("token", "--role", "viewer", "--tenant", TENANT.upper(), "--state", str(tmp_path))
    assert result.exit_code == 0
    assert minted == [{"tenant_id": TENANT, "role": "viewer", "lifetime": timedelta(hours=1)}]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--role", "viewer"), "the role viewer acts in a tenant: name it with --tenant"),
        (("--role", "root"), "'root' is not one of 'platform_admin', 'tenant_admin', 'editor', 'viewer'"),
        ((), "Missing option '--role'"),
        (("--role", "viewer", "--tenant", "acme"), "is not running, so tenant 'acme' cannot be looked up"),
        (("--role", "platform_admin", "--expires", "soon"), "'soon' is not a duration"),
        (("--role", "platform_admin", "--expires", "0s"), "is out of range"),
        (("--role", "platform_admin", "extra"), "Got unexpected extra argument"),
    ],
)
def test_a_token_that_cannot_be_is_refused_on_stderr(
    minted: list[dict[str, Any]], tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    result = run("token", *arguments, "--state", str(tmp_path))
    assert result.exit_code != 0
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""
    assert minted == []


def test_a_token_without_a_suite_makes_no_state_directory(tmp_path: Path) -> None:
    for tenant in ([], ["--tenant", "acme"]):
        result = run("token", "--role", "platform_admin", *tenant, "--state", str(tmp_path / "none"))
        assert result.exit_code == 1
        assert "there is no local suite in" in result.stderr
    assert not (tmp_path / "none").exists()


def test_every_command_explains_itself() -> None:
    names = sorted(cli.commands)
    assert names == sorted(
        ["api-keys", "apply", "connections", "datasets", "demo", "down", "runs", "status", "token", "trigger", "up", "validate", "watch"]
    )
    for name in names:
        result = run(name, "--help")
        assert result.exit_code == 0
        assert "Usage: chalkandduster" in result.stdout


def test_trigger_documents_its_exit_codes() -> None:
    help_text = run("trigger", "--help").stdout
    for line in ("0  PASS", "1  FAIL", "2  ERROR", "3  no verdict"):
        assert line in help_text


def test_an_unknown_command_is_told_in_one_sentence() -> None:
    result = run("triger")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: No such command 'triger'")

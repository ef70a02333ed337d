"""A platform in memory, and a way to run commands against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chalkandduster.cli.main import cli
from tests.integration.cli.platform import Platform, serving

Run = Callable[..., Result]


@pytest.fixture
def platform() -> Platform:
    """What the server knows and saw; with one tenant, `acme`."""
    made = Platform()
    made.add_tenant("acme")
    return made


@pytest.fixture
def gateway(platform: Platform) -> Iterator[str]:
    """Address of a server that answers for `platform`."""
    with serving(platform) as address:
        yield address


@pytest.fixture
def run(gateway: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line against the platform with a token, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, env: dict[str, str] | None = None, with_token: bool = True) -> Result:
        token = {"CHALKANDDUSTER_TOKEN": "secret-token"} if with_token else {}
        environment = {"CHALKANDDUSTER_GATEWAY": gateway, "COLUMNS": "200", **token, **(env or {})}
        return CliRunner().invoke(cli, list(arguments), env=environment, prog_name="chalkandduster")

    return invoke

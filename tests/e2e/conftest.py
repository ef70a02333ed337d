"""One suite for all e2e tests, started the way a user starts it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalkandduster.local import ports
from tests.e2e.suite import CLI, Suite, Tenant


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """A running suite with a state directory of its own."""
    with running_suite(tmp_path_factory.mktemp("suite") / "state") as running:
        yield running


class running_suite:  # noqa: N801 - reads as a context manager
    """Starts a suite in `state` and stops it at the end."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._port = ports.find_free()

    def __enter__(self) -> Suite:
        command = [CLI, "up", "--detach", "--gateway-port", str(self._port), "--state", str(self._state)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return Suite(self._state, f"http://127.0.0.1:{self._port}")

    def __exit__(self, *_: object) -> None:
        subprocess.run([CLI, "down", "--state", str(self._state)], capture_output=True, text=True, timeout=60, check=True)


@pytest.fixture
def tenant(suite: Suite) -> Tenant:
    """A new tenant without anything."""
    return suite.new_tenant()

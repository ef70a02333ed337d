"""A suite over fake services as a process of its own, to be interrupted, killed and looked at."""

from __future__ import annotations

import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from chalkandduster.local import children, report
from chalkandduster.local.report import SuiteStatus

_LIMIT_S = 40.0


class FakeSuite:
    """The process, the lines it says, and every process that belongs to it."""

    def __init__(self, state: Path, gateway_port: int, behaviour: str) -> None:
        command = [sys.executable, "-m", "tests.support.fake_suite", str(state), str(gateway_port), behaviour]
        self.state = state
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=children.environment(), start_new_session=True
        )
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def wait_for(self, text: str) -> str:
        """The first line from now on that holds `text`; fails with all that was said if the process ends before."""
        end = time.monotonic() + _LIMIT_S
        while True:
            line = self._lines.get(timeout=max(0.1, end - time.monotonic()))
            if line is None:
                pytest.fail(f"the suite ended without saying {text!r}; it said:\n" + "\n".join(self.said))
            self.said.append(line)
            if text in line:
                return line

    def wait_until_ended(self) -> int:
        """Its exit code, once it has ended by itself."""
        code = self.process.wait(_LIMIT_S)
        while (line := self._lines.get(timeout=5)) is not None:
            self.said.append(line)
        return code

    def stop(self, signum: int = signal.SIGTERM) -> int:
        self.process.send_signal(signum)
        return self.wait_until_ended()

    def status(self) -> SuiteStatus:
        return report.read(self.state)

    def processes(self) -> list[psutil.Process]:
        """The suite's process and all below it."""
        top = psutil.Process(self.process.pid)
        return [top, *top.children(recursive=True)]

    def close(self) -> None:
        """Leave nothing behind, whatever the test did."""
        family: list[psutil.Process] = []
        try:
            family = self.processes()
        except psutil.NoSuchProcess:
            family = []
        for process in family:
            if process.is_running():
                process.kill()
        self.process.wait(_LIMIT_S)
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()


def gone(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those of the processes that still live after a fair wait; empty is what a test wants."""
    return list(psutil.wait_procs(processes, timeout=20)[1])


@contextmanager
def _state_directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="chalkandduster-suite-"))
    directory.chmod(0o711)
    yield directory / "state"
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def state() -> Iterator[Path]:
    """A state directory that user nobody may reach, as Postgres needs when the tests run as root."""
    with _state_directory() as directory:
        yield directory


@pytest.fixture
def start(state: Path) -> Iterator[Callable[..., FakeSuite]]:
    """Starts suites over fake services: `start(behaviour="good", gateway_port=0)`."""
    started: list[FakeSuite] = []

    def begin(behaviour: str = "good", gateway_port: int = 0) -> FakeSuite:
        started.append(FakeSuite(state, gateway_port, behaviour))
        return started[-1]

    yield begin
    for suite in started:
        suite.close()


@pytest.fixture(scope="module")
def running() -> Iterator[FakeSuite]:
    """A suite that is up, shared by the tests that leave it as they found it."""
    with _state_directory() as directory:
        suite = FakeSuite(directory, 0, "good")
        suite.wait_for("up")
        yield suite
        suite.close()

"""Keeps a handful of child processes alive: starts, watches, restarts and stops them, and says so in plain lines."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from chalkandduster.local import children

Say = Callable[[str], None]

_POLL_S = 0.1
_BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# A child that lived this long was healthy: its next death starts the backoff anew.
_SETTLED_S = 60.0
# From this death in a row on, a line shows the end of the log.
_KEEPS_DYING = 3
_LOG_LIMIT_BYTES = 10 * 1024 * 1024


class SuiteError(Exception):
    """The suite cannot start or go on; the text is one sentence for the user, the log's end after it where that helps."""


class StopRequested(BaseException):
    """SIGINT or SIGTERM arrived; raised wherever the main thread is, so that start-up ends at once too."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A program to keep running."""

    name: str
    launch: Callable[[], subprocess.Popen[bytes]]
    log: Path
    is_ready: Callable[[], bool]
    """Asked until it says yes; must answer within a second or so."""
    stop_signal: int = signal.SIGTERM
    ready_limit_s: float = 60.0
    stop_grace_s: float = 8.0


@dataclass(slots=True)
class Child:
    """A running program and the history of its deaths."""

    spec: ChildSpec
    process: subprocess.Popen[bytes] | None = None
    ready: bool = False
    started: float = 0.0
    """time.monotonic() of the last start."""
    deaths: int = 0
    """In a row, without a settled life between."""
    restart_at: float | None = None
    log_start: int = 0
    """Bytes of the log that former lives wrote."""

    @property
    def pid(self) -> int | None:
        return None if self.process is None else self.process.pid

    @property
    def state(self) -> str:
        """STARTING, READY, or RESTARTING after a death."""
        if self.restart_at is not None:
            return "RESTARTING"
        return "READY" if self.ready else "STARTING"

    def last_words(self) -> str:
        """The end of what this life wrote, and where."""
        return f"the end of {self.spec.log}:\n{children.tail(self.spec.log, since=self.log_start)}"

    def launch(self) -> None:
        """Start it. Raises SuiteError if the program cannot be started."""
        rotate(self.spec.log)
        self.log_start = self.spec.log.stat().st_size if self.spec.log.exists() else 0
        try:
            self.process = self.spec.launch()
        except OSError as error:
            raise SuiteError(f"{self.spec.name} cannot be started: {error}") from error
        self.ready, self.started, self.restart_at = False, time.monotonic(), None


@dataclass(slots=True)
class Supervisor:
    """Children in the order of their start; stopped in reverse, tier by tier."""

    say: Say
    tiers: list[list[Child]] = field(default_factory=list)
    changed: Callable[[], None] = lambda: None
    """Called after a child's state changed."""

    @property
    def children(self) -> list[Child]:
        return [child for tier in self.tiers for child in tier]

    def start(self, specs: Sequence[ChildSpec]) -> None:
        """Start the programs at once and wait until each is ready. Raises SuiteError if one dies or takes too long."""
        self.wait(self.launch(specs))

    def launch(self, specs: Sequence[ChildSpec]) -> list[Child]:
        """Start the programs as the next tier. Raises SuiteError if one cannot be started."""
        tier = [Child(spec) for spec in specs]
        self.tiers.append(tier)
        for child in tier:
            child.launch()
        return tier

    def wait(self, tier: Sequence[Child]) -> None:
        """Wait until each child is ready. Raises SuiteError if one dies or takes too long."""
        waiting = list(tier)
        while waiting := [child for child in waiting if not self._became_ready(child)]:
            time.sleep(_POLL_S)

    def _became_ready(self, child: Child) -> bool:
        spec, age = child.spec, time.monotonic() - child.started
        if child.process is None or child.process.poll() is not None:
            code = None if child.process is None else child.process.returncode
            raise SuiteError(f"{spec.name} ended with exit code {code} while starting; {child.last_words()}")
        if spec.is_ready():
            child.ready = True
            self.changed()
            self.say(f"{spec.name:<10} ready ({age:.1f} s)")
            return True
        if age > spec.ready_limit_s:
            raise SuiteError(f"{spec.name} was not ready after {spec.ready_limit_s:.0f} s; {child.last_words()}")
        return False

    def watch_once(self) -> None:
        """Look after every child once: notice deaths, restart what is due, notice recoveries."""
        for child in self.children:
            if child.restart_at is not None:
                if time.monotonic() >= child.restart_at:
                    self._restart(child)
            elif child.process is not None and child.process.poll() is not None:
                self._note_death(child, child.process.returncode)
            elif not child.ready and child.spec.is_ready():
                child.ready = True
                self.changed()
                self.say(f"{child.spec.name} is ready again")
        _reap_orphans({child.pid for child in self.children})

    def _note_death(self, child: Child, code: int) -> None:
        settled = time.monotonic() - child.started > _SETTLED_S
        child.deaths = 1 if settled else child.deaths + 1
        pause = _BACKOFF_S[min(child.deaths, len(_BACKOFF_S)) - 1]
        child.ready, child.restart_at = False, time.monotonic() + pause
        line = f"{child.spec.name} ended unexpectedly ({_describe(code)}); starting it again in {pause:g} s"
        if child.deaths >= _KEEPS_DYING:
            line += f"; it keeps dying, {child.last_words()}"
        self.changed()
        self.say(line)

    def _restart(self, child: Child) -> None:
        try:
            child.launch()
        except SuiteError as error:
            child.deaths += 1
            child.restart_at = time.monotonic() + _BACKOFF_S[-1]
            self.say(str(error))
        self.changed()

    def stop(self) -> None:
        """Stop every tier, the last started first, each within the longest grace of its children; leaves no descendant."""
        while self.tiers:
            _stop_together(self.tiers.pop())
        for orphan in _descendants():
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.kill()


def rotate(log: Path) -> None:
    """Keep one old log of at most 10 MB beside the current one."""
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(log.suffix + ".1"))


def _describe(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _stop_together(tier: list[Child]) -> None:
    """Ask all at once, so that the tier takes as long as its slowest child."""
    alive = [child for child in tier if child.process is not None and child.process.poll() is None]
    families = [process for child in alive for process in _family(child.pid)]
    for child in alive:
        if child.process is not None:
            child.process.send_signal(child.spec.stop_signal)
    end = time.monotonic() + max((child.spec.stop_grace_s for child in alive), default=0.0)
    for child in alive:
        if child.process is not None:
            children.stop(child.process, max(0.1, end - time.monotonic()), child.spec.stop_signal)
    for process in families:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _family(pid: int | None) -> list[psutil.Process]:
    """What a child started itself; killed when it leaves them behind."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return list(psutil.Process(pid).children(recursive=True))
    return []


def _descendants() -> list[psutil.Process]:
    return list(psutil.Process().children(recursive=True))


def _reap_orphans(known: set[int | None]) -> None:
    """As a subreaper we inherit what dead children leave; without a wait their entries would stay in the process table."""
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
            if process.pid not in known and process.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(process.pid, os.WNOHANG)

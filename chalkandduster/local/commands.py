"""What the commands `up`, `down`, `status` and `demo` do, as plain functions. Every failure is a SuiteError with one sentence."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from chalkandduster.local import children, secret_files, tokens
from chalkandduster.local import report as reports
from chalkandduster.local.report import SuiteStatus
from chalkandduster.local.state import State
from chalkandduster.local.supervisor import Say, StopRequested, SuiteError

__all__ = ["SuiteError", "SuiteStatus", "demo", "down", "report", "status", "up"]

DEFAULT_GATEWAY_PORT = 8000
ERROR_MARK = "error: "
"""How the last line of a detached suite that cannot start begins."""
_DETACHED_LIMIT_S = 300.0
_DOWN_LIMIT_S = 60.0
_TOKEN_LIFETIME = timedelta(hours=12)


def say_line(line: str) -> None:
    """To standard output at once, also into a pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def up(state: Path, gateway_port: int = DEFAULT_GATEWAY_PORT, detach: bool = False, load: Path | None = None, say: Say = say_line) -> None:
    """Start the suite and keep it running until SIGINT or SIGTERM; with `detach` return once it runs.

    `load` names a CSV or Parquet file to load, register and check; with a suite that runs already, it does so there.
    Raises SuiteError.
    """
    _check_file(load)
    if load is not None and reports.read(state).running:
        say("a suite with this state runs already: loading the file there")
        _load(state, load, say)
        return
    if detach:
        _start_detached(state, gateway_port, say)
        _say_summary(state, say, "chalkandduster down stops it.")
        _load(state, load, say)
        return
    from chalkandduster.local.suite import Suite

    try:
        with Suite(State(state), gateway_port, say) as suite:
            _say_summary(state, say, "Ctrl-C stops it.")
            _load(state, load, say)
            suite.watch()
    except StopRequested:
        say("stopped")


def down(state: Path, say: Say = say_line) -> None:
    """Stop the suite of this state directory, and wait until it is gone. Raises SuiteError if it does not end."""
    run = State(state).read_run()
    process = None if run is None else reports.process_of(run)
    if process is None:
        say(f"no suite runs with the state {State(state).directory}")
        return
    process.terminate()
    try:
        process.wait(_DOWN_LIMIT_S)
    except Exception as error:
        raise SuiteError(f"the suite (process {process.pid}) did not stop within {_DOWN_LIMIT_S:.0f} s") from error
    say("stopped")


def status(state: Path) -> SuiteStatus:
    """What runs with this state directory."""
    return reports.read(state)


def report(state: Path) -> dict[str, Any]:
    """The same for JSON."""
    return status(state).as_dict()


def demo(state: Path, say: Say = say_line) -> None:
    """Start a suite on free ports, find the flaws of the retail data set through REST, stop it, and say the verdict last.

    Its own state is the directory `demo` inside `state`, so that it does not meet a suite that is up. Raises SuiteError.
    """
    from chalkandduster.demo.flow import run_demo
    from chalkandduster.local.suite import Suite

    own = State(state).directory / "demo"
    try:
        State(state).make_directory()
        with Suite(State(own), 0, say) as suite:
            verdict = run_demo(status(own), suite.warehouse, say)
            say("stopping")
    except StopRequested as stop:
        raise SuiteError("the demo was interrupted") from stop
    except OSError as error:
        raise SuiteError(f"the demo cannot use {own}: {error}") from error
    say(verdict)


def _load(state: Path, file: Path | None, say: Say) -> None:
    if file is not None:
        from chalkandduster.demo.load import load_file

        load_file(status(state), State(state).warehouse_admin_token(), file, say)


def _check_file(file: Path | None) -> None:
    """Refuse a file that cannot be read before a minute is spent on starting."""
    if file is None:
        return
    from chalkandduster.local.emulator.loading import LoadError, suffix_of

    try:
        suffix_of(file)
    except LoadError as error:
        raise SuiteError(str(error)) from error
    if not file.is_file():
        raise SuiteError(f"there is no file {file}")


def _admin_token(state: Path) -> str:
    return tokens.mint(state, tenant_id=None, role="platform_admin", lifetime=_TOKEN_LIFETIME)


def _say_summary(state: Path, say: Say, how_to_stop: str) -> None:
    running = status(state)
    gateway, postgres, warehouse = running.gateway or {}, running.postgres or {}, running.warehouse or {}
    say(f"\nChalk and Duster runs. {how_to_stop}")
    say(f"  REST and gRPC  {gateway['url']}")
    say(f"  API docs       {gateway['docs_url']}")
    say(f"  Postgres       {postgres['host']}:{postgres['port']}/{postgres['database']}, passwords in {State(state).keys}/postgres.json")
    say(
        f"  Warehouse      a snowflake connection: host {warehouse['host']}, port {warehouse['port']}, protocol {warehouse['protocol']}, "
        f"database {warehouse['database']}, schema {warehouse['schema']}, any user and password"
    )
    say(f"  Logs           {State(state).logs}")
    say(f"  Admin token    (12 hours; more with chalkandduster token)\n{_admin_token(state)}\n")


def _start_detached(state: Path, gateway_port: int, say: Say) -> None:
    """Start the supervisor in a session of its own and pass on what it says until it runs."""
    if reports.read(state).phase != "STOPPED":
        raise SuiteError(reports.already_runs(State(state).directory, State(state).read_run()))
    log = State(state).logs / "suite.log"
    try:
        State(state).make_directory()
        secret_files.directory(log.parent)
        log.write_bytes(b"")
    except OSError as error:
        raise SuiteError(f"the state directory {State(state).directory} cannot be used: {error.strerror}") from error
    pid = _spawn_daemon(state, gateway_port, log)
    text, shown = "", 0
    end = time.monotonic() + _DETACHED_LIMIT_S
    with log.open(encoding="utf-8") as lines:
        while not _runs(state, pid):
            ended = os.waitpid(pid, os.WNOHANG)[0] == pid
            text += lines.read()
            # An error is the last that it says, and is ours to raise.
            progress, _, reason = text.partition(ERROR_MARK)
            if said := progress[shown:].strip():
                say(said)
            shown = len(progress)
            if ended:
                raise SuiteError(reason.strip() or f"the suite ended while starting; see {log}")
            if time.monotonic() > end:
                os.kill(pid, signal.SIGTERM)
                raise SuiteError(f"the suite did not start within {_DETACHED_LIMIT_S:.0f} s; see {log}")
            time.sleep(0.1)


def _spawn_daemon(state: Path, gateway_port: int, log: Path) -> int:
    """The process id. It is nobody's child to wait for: it outlives us."""
    command = [sys.executable, "-m", "chalkandduster.local.daemon", str(State(state).directory), str(gateway_port)]
    output = (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_APPEND, 0)
    nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    actions = [nothing, output, (os.POSIX_SPAWN_DUP2, 1, 2)]
    return os.posix_spawn(sys.executable, command, children.environment(), file_actions=actions, setsid=True)


def _runs(state: Path, pid: int) -> bool:
    with contextlib.suppress(SuiteError):
        running = status(state)
        return running.running and running.pid == pid
    return False

"""Starting child processes that cannot outlive their parent, and stopping them for certain."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# Loaded before any fork: loading a library between fork and exec may deadlock.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def dies_with_parent(signum: int = signal.SIGTERM) -> Callable[[], None]:
    """For `preexec_fn`: the kernel sends `signum` to the child when the thread that started it ends, even by SIGKILL.

    Start children from a thread that lives as long as they should (the main thread, or the event loop's).
    """
    parent = os.getpid()

    def ask_kernel() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signum)
            if os.getppid() != parent:  # it ended before the request was in
                os._exit(1)

    return ask_kernel


def spawn(command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own (so a Ctrl-C reaches only us), its output appended to `log`.

    Raises OSError if the program cannot be started.
    """
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own programs only
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
            preexec_fn=dies_with_parent(),
        )


def stop(process: subprocess.Popen[bytes], grace_s: float, signum: int = signal.SIGTERM) -> bool:
    """Ask the child to end; after `grace_s` seconds kill it and its process group. True if it ended by itself."""
    if process.poll() is not None:
        return True
    process.send_signal(signum)
    try:
        process.wait(grace_s)
        return True
    except subprocess.TimeoutExpired:
        kill_group(process.pid)
        process.wait()
        return False


def kill_group(pid: int) -> None:
    """SIGKILL to the process group that `spawn` made; nothing happens if it is gone."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def tail(log: Path, lines: int = 8, since: int = 0) -> str:
    """The last lines of a log that are not empty, looking no further back than byte `since`; empty if there is no log."""
    if not log.is_file():
        return ""
    size = log.stat().st_size
    with log.open("rb") as file:
        file.seek(max(0, size - 8192, since if since <= size else 0))
        text = file.read().decode("utf-8", "replace")
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])


def environment(**extra: str) -> dict[str, str]:
    """Our environment and `extra`, for a Python child that imports this package from wherever we were imported."""
    root = str(Path(__file__).resolve().parents[2])
    rest = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{rest}" if rest else root, **extra}


def adopt_orphans() -> None:
    """Become the parent of processes that our children leave behind, so that they can be found and ended."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

"""What a worker process may not do, whatever code it is led into: the third fence, after the SQL guard and the login's role."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

MEMORY_BYTES = 2 * 1024**3
"""Address space: libraries reserve far more than they use (a worker uses 40 to 120 MB)."""
FILE_BYTES = 16 * 1024**2
OPEN_FILES = 256
PROCESSES = 4096
"""Counted per user over the whole machine, so it can only be a backstop; the audit hook refuses new processes."""
CPU_SECONDS = 600
"""Processor time of one scan; a healthy one uses well under a second."""

_PR_SET_PDEATHSIG = 1
_PROCESS_EVENTS = frozenset(
    {"subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn"}
)
_READABLE = ("/etc/ssl/", "/etc/pki/", "/usr/share/zoneinfo", "/usr/share/ca-certificates", "/usr/lib/", "/usr/lib64/", "/lib/")
_READABLE_FILES = frozenset(
    {"/etc/localtime", "/etc/hosts", "/etc/resolv.conf", "/etc/os-release", "/usr/lib/os-release", "/dev/null", "/dev/urandom"}
)
_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def die_with_parent() -> None:
    """Be killed when the process that forked this one ends, however it ends. Linux only; elsewhere the closed socket does it."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def limit_resources() -> None:
    """Set the limits of a worker's whole life; see start_cpu_budget for that of one scan."""
    for kind, wanted in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_NPROC, PROCESSES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (limit, limit))


def start_cpu_budget(seconds: float = CPU_SECONDS) -> None:
    """Give the next scan this much processor time, after which the kernel kills the process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime + seconds) + 1, hard))


def refuse_files_and_processes(own_directory: str) -> None:
    """From here on this process starts no other, reads only code and certificates, and writes only below its own directory.

    An audit hook sees what Python code does, which is all that checks can reach; it cannot be removed.
    """
    own = os.path.realpath(own_directory) + "/"
    prefixes = {os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, *sys.path) if path}
    # Never a whole source tree or home directory: of ours, only the packages.
    root = Path(__file__).resolve().parents[3]
    code = (*(f"{path}/" for path in prefixes if Path(path) != root and path != "/"), f"{root}/services/", *_READABLE)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in _PROCESS_EVENTS:
            raise PermissionError("a worker starts no process")
        if event == "open":
            _judge_open(arguments, own, code)

    sys.addaudithook(hook)


def _judge_open(arguments: tuple[object, ...], own: str, code: tuple[str, ...]) -> None:
    path, mode, flags = arguments
    if not isinstance(path, (str, bytes)):
        return
    real = os.path.realpath(os.fsdecode(path))
    if real.startswith(own) or (real in _READABLE_FILES and not _writes(mode, flags)):
        return
    if _writes(mode, flags) or not real.startswith(code):
        raise PermissionError("a worker opens no files but code and certificates")


def _writes(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool(isinstance(flags, int) and flags & _WRITE)

"""Running a program that refuses to run as root, when we are root.

Two ways, the safer first: as user nobody, which needs every directory on the way to be passable for everyone; else in a user
namespace where root wears another number and holds no privileges, which needs nothing but the kernel's consent.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from chalkandduster.local.children import dies_with_parent

_CLONE_NEWUSER = 0x10000000
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class UnreachableError(Exception):
    """Neither way is open; the text says which directory is in the way."""


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom to run a child."""

    uid: int
    """The user that must own the child's files."""
    gid: int
    namespaced: bool = False
    """Run under our own user in a user namespace that calls it something else."""


def choose(paths: Iterable[Path]) -> Identity | None:
    """An identity that can reach every one of `paths`; None when we are not root and need none. Raises UnreachableError."""
    if os.geteuid() != 0:
        return None
    nobody = _nobody()
    blocked = next((parent for path in paths if (parent := blocking_parent(path, nobody.uid))), None)
    if blocked is None:
        return nobody
    if _namespaces_work():
        return Identity(os.geteuid(), os.getegid(), namespaced=True)
    raise UnreachableError(
        f"Postgres does not run as root, and user nobody may not pass {blocked}: run as an ordinary user, or keep the repository "
        "and the state directory where everyone may pass"
    )


def blocking_parent(path: Path, uid: int) -> Path | None:
    """The first directory on the way to `path` that `uid` may not pass, judged by its mode; None if the way is open."""
    for parent in [*reversed(path.resolve().parents)]:
        status = parent.stat()
        needed = 0o100 if status.st_uid == uid else 0o001
        if not status.st_mode & needed:
            return parent
    return None


def become(identity: Identity | None, death_signal: int) -> Callable[[], None]:
    """For `preexec_fn`: take the identity, then ask to be sent `death_signal` when the parent ends (a change of user forgets it)."""
    bind_to_parent = dies_with_parent(death_signal)

    def prepare() -> None:
        if identity is not None and identity.namespaced:
            _enter_namespace()
        elif identity is not None:
            os.setgroups([])
            os.setgid(identity.gid)
            os.setuid(identity.uid)
        bind_to_parent()

    return prepare


def _nobody() -> Identity:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return Identity(65534, 65534)
    return Identity(entry.pw_uid, entry.pw_gid)


def _enter_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if _LIBC is None or _LIBC.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "no user namespace")
    for name, text in (("setgroups", "deny"), ("gid_map", f"65534 {gid} 1"), ("uid_map", f"65534 {uid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _namespaces_work() -> bool:
    child = os.fork()
    if child == 0:
        try:
            _enter_namespace()
        except BaseException:  # the child of a fork must never return
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

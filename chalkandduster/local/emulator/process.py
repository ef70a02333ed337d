"""The emulator as a child process, and the client of its admin routes."""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from chalkandduster.local import children, secret_files

HOST = "127.0.0.1"
DATABASE = "CHALK"
SCHEMA = "PUBLIC"
_START_LIMIT_S = 60.0


class EmulatorError(Exception):
    """The emulator did not start or refused a request; the text is one sentence for the user."""


class LoadedColumn(NamedTuple):
    """A column of a loaded file."""

    name: str
    type: str
    """Snowflake's, for example `NUMBER(38,0)`."""
    missing: int
    """Rows without a value."""
    distinct: int
    """Different values, NULL not counted."""


@dataclass(frozen=True, slots=True)
class LoadedTable:
    """A file that became a table."""

    database: str
    schema: str
    table: str
    rows: int
    columns: tuple[LoadedColumn, ...]
    """In the file's order."""


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """One statement a client sent."""

    seq: int
    session: int
    request_id: str
    sql: str
    tag: str
    user: str
    started: float
    duration_ms: float | None
    error: str | None
    stopped_by: str | None


class EmulatorAdmin:
    """Calls the admin routes of a running emulator. Every method raises EmulatorError with the emulator's own words."""

    def __init__(self, host: str, port: int, admin_token: str) -> None:
        self.host = host
        self.port = port
        self.admin_token = admin_token

    def set_latency(self, ms: float) -> None:
        """Add `ms` milliseconds to each request of a client from now on."""
        self._call("POST", "/_emulator/latency", {"ms": ms})

    def statements(self, after: int = 0) -> list[StatementEntry]:
        """Statements with a sequence number above `after`, oldest first (the last 20,000 are kept)."""
        return [StatementEntry(**entry) for entry in self._call("GET", f"/_emulator/statements?after={after}")["statements"]]

    def clear_statements(self) -> None:
        self._call("DELETE", "/_emulator/statements")

    def load(self, path: Path, table: str, *, database: str = DATABASE, schema: str = SCHEMA) -> LoadedTable:
        """Load a CSV (plain or gzip) or Parquet file into a table, replacing it."""
        names = {"database": database, "schema": schema, "table": table}
        answer = self._call("POST", "/_emulator/load", {"path": str(path.resolve()), **names}, timeout_s=600.0)
        columns = tuple(LoadedColumn(**column) for column in answer["columns"])
        return LoadedTable(answer["database"], answer["schema"], answer["table"], answer["rows"], columns)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None, timeout_s: float = 30.0) -> dict[str, Any]:
        with contextlib.closing(http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)) as connection:
            try:
                connection.request(method, path, json.dumps(body or {}), {"x-emulator-token": self.admin_token})
                response = connection.getresponse()
                content: dict[str, Any] = json.loads(response.read() or b"{}")
            except (OSError, http.client.HTTPException) as error:
                raise EmulatorError(f"the warehouse emulator on port {self.port} does not answer: {error}") from error
        if response.status != 200:
            raise EmulatorError(content.get("error") or f"the warehouse emulator answered {response.status}")
        return content


class EmulatorProcess(EmulatorAdmin):
    """A running emulator; a context manager that stops it. Data stays in `db_path`.

    `users` maps a user name to `{"password": …}` or `{"public_key_pem": …}`; without it every login is taken.
    """

    def __init__(
        self,
        db_path: Path,
        *,
        port: int = 0,
        latency_ms: float = 0.0,
        users: Mapping[str, Mapping[str, str]] | None = None,
        log: Path | None = None,
        admin_token: str | None = None,
    ) -> None:
        super().__init__(HOST, port, admin_token or secrets.token_urlsafe(24))
        self._db_path = db_path
        self._latency_ms = latency_ms
        self._users = users
        self.log = log or db_path / "emulator.log"
        self._port_file = db_path / ".port"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def connect_args(self) -> dict[str, Any]:
        """Arguments for `snowflake.connector.connect`; a user of the users file first, if there is one."""
        user, secret = next(iter((self._users or {"CHALK": {"password": "chalk"}}).items()))
        return {
            "user": user,
            "password": secret.get("password", ""),
            "account": "emulator",
            "host": self.host,
            "port": self.port,
            "protocol": "http",
            "database": DATABASE,
            "schema": SCHEMA,
            # The connector would ask cloud metadata servers where it runs, and retry errors for ever.
            "platform_detection_timeout_seconds": 0,
            "network_timeout": 60,
            "login_timeout": 15,
            "session_parameters": {"CLIENT_TELEMETRY_ENABLED": False},
        }

    def start(self) -> Self:
        """Start it and wait until it answers. Raises EmulatorError with the log's end if it does not."""
        process = self.launch()
        end = time.monotonic() + _START_LIMIT_S
        while not self.is_ready():
            if process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise EmulatorError(f"the warehouse emulator did not start: {children.tail(self.log, 3)}")
            time.sleep(0.02)
        return self

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the process without waiting; `port` holds its port once `is_ready`."""
        self._db_path.mkdir(parents=True, exist_ok=True)
        self._port_file.unlink(missing_ok=True)
        self.process = children.spawn(
            self._command(), self.log, env=children.environment(CHALKANDDUSTER_EMULATOR_ADMIN_TOKEN=self.admin_token)
        )
        return self.process

    def is_ready(self) -> bool:
        """Whether the launched process takes requests."""
        if not self._port_file.exists():
            return False
        self.port = int(self._port_file.read_text(encoding="ascii"))
        return True

    def stop(self) -> None:
        """Stop it within a few seconds; what was written stays."""
        if self.process is not None:
            children.stop(self.process, grace_s=5.0)
            self.process = None

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "chalkandduster.local.emulator", "--port", str(self.port), "--port-file", str(self._port_file)]
        command += ["--db-path", str(self._db_path), "--latency-ms", str(self._latency_ms)]
        if self._users is not None:
            users_file = self._db_path / ".users.json"
            secret_files.write(users_file, json.dumps(self._users))
            command += ["--users-file", str(users_file)]
        return command

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

"""What the emulator knows about each login: its parameters, the statement that runs now, and the log of all statements."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from chalkandduster.local.emulator.cursor import CANCELLED_ERRNO, CANCELLED_SQLSTATE, EmulatorConnection

_LOG_KEPT = 20_000
_INTERRUPT_EVERY_S = 0.02
_ALTER_SESSION = re.compile(r"^\s*ALTER\s+SESSION\s+(SET|UNSET)\s+(.+?);?\s*$", re.IGNORECASE | re.DOTALL)
_ASSIGNMENT = re.compile(r"(\w+)\s*=\s*('(?:[^']|'')*'|[^\s,]+)")
# fakesnow keeps the transaction itself, so these reach it.
_PASSED_ON = frozenset({"AUTOCOMMIT", "QUOTED_IDENTIFIERS_IGNORE_CASE"})
_USE = re.compile(r"^\s*USE\s+(ROLE|WAREHOUSE)\s+\"?([\w$]+)\"?\s*;?\s*$", re.IGNORECASE)


@dataclass(slots=True)
class Statement:
    """One statement as the log shows it."""

    seq: int
    session: int
    request_id: str
    sql: str
    tag: str
    user: str
    started: float
    """Seconds since the epoch."""
    duration_ms: float | None = None
    """None while it runs."""
    error: str | None = None
    """Snowflake's error number as text, None on success."""
    stopped_by: str | None = field(default=None)
    """"abort" or "timeout" when the emulator interrupted it."""


class StatementLog:
    """The last statements in order of arrival."""

    def __init__(self) -> None:
        self._entries: deque[Statement] = deque(maxlen=_LOG_KEPT)
        self._seq = itertools.count(1)

    def open(self, session: Session, request_id: str, sql: str, parameters: Mapping[str, Any]) -> Statement:
        tag = str(parameters.get("QUERY_TAG") or session.parameters.get("QUERY_TAG") or "")
        entry = Statement(next(self._seq), session.number, request_id, sql, tag, session.user, time.time())
        self._entries.append(entry)
        return entry

    def after(self, seq: int) -> list[dict[str, Any]]:
        """Entries with a number above `seq`, oldest first."""
        return [asdict(entry) for entry in self._entries if entry.seq > seq]

    def clear(self) -> None:
        self._entries.clear()


class Session:
    """One login. Statements of a session run one after the other; different sessions run at once."""

    def __init__(self, number: int, user: str, connection: EmulatorConnection, parameters: Mapping[str, Any]) -> None:
        self.number = number
        self.user = user
        self.connection = connection
        self.parameters = {key.upper(): value for key, value in parameters.items()}
        self.lock = asyncio.Lock()
        self.pending: dict[str, Statement] = {}

    def timeout_s(self, parameters: Mapping[str, Any]) -> float | None:
        """The statement's own limit, else the session's, in seconds; None when there is none."""
        name = "STATEMENT_TIMEOUT_IN_SECONDS"
        value = float(parameters.get(name) or self.parameters.get(name) or 0)
        return value or None

    def absorb(self, sql: str) -> dict[str, str] | None:
        """Carry out ALTER SESSION and USE ROLE or WAREHOUSE here; the answer's extra fields, or None if `sql` is something else."""
        if match := _USE.match(sql):
            kind, name = match[1].upper(), match[2].upper()
            self.connection.context[f"CURRENT_{kind}"] = name
            return {"finalRoleName" if kind == "ROLE" else "finalWarehouseName": name}
        match = _ALTER_SESSION.match(sql)
        if match is None or any(name in match[2].upper() for name in _PASSED_ON):
            return None
        if match[1].upper() == "UNSET":
            for name in re.findall(r"\w+", match[2]):
                self.parameters.pop(name.upper(), None)
        else:
            self.parameters.update({name.upper(): value.strip("'").replace("''", "'") for name, value in _ASSIGNMENT.findall(match[2])})
        return {}

    def abort(self, request_id: str, sql: str | None) -> bool:
        """Stop the statement with that request id, or else with that text, waiting or running. True if one was found."""
        found = self.pending.get(request_id) or next((s for s in self.pending.values() if sql and s.sql == sql), None)
        if found is not None:
            found.stopped_by = found.stopped_by or "abort"
        return found is not None

    async def interrupt_when_stopped(self, statement: Statement, timeout_s: float | None) -> None:
        """Watch a running statement until cancelled; interrupt DuckDB as long as the statement is marked as stopped.

        DuckDB forgets an interrupt that arrives between two of its steps, so one call is not enough.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            if end is not None and time.monotonic() >= end:
                statement.stopped_by = statement.stopped_by or "timeout"
            if statement.stopped_by:
                self.connection._duck_conn.interrupt()
            await asyncio.sleep(_INTERRUPT_EVERY_S)


def stopped_error(statement: Statement, timeout_s: float | None) -> dict[str, Any]:
    """The answer for a statement that was interrupted, as a real account words it."""
    if statement.stopped_by == "timeout":
        limit = f"{timeout_s:g}" if timeout_s else "?"
        message = f"Statement reached its statement or warehouse timeout of {limit} second(s) and was canceled."
        return failure(630, CANCELLED_SQLSTATE, message)
    return failure(CANCELLED_ERRNO, CANCELLED_SQLSTATE, "SQL execution canceled")


def failure(errno: int, sqlstate: str, message: str) -> dict[str, Any]:
    """Snowflake's JSON for a refused statement: HTTP 200, so the connector does not try again."""
    code = f"{errno:06d}"
    return {"data": {"errorCode": code, "sqlState": sqlstate}, "code": code, "message": message, "success": False}

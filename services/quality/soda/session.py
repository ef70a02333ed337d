"""What every warehouse session offers, and the ways in which one fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from services.quality.domain.scan import ScanFailure
from services.quality.soda import guard

Announce = Callable[[Mapping[str, object]], None]
"""Tells the supervisor about sessions and statements, so that it can cancel them when this process no longer can."""


class StatementFailed(Exception):
    """The warehouse answered a statement with an error. `kind` is `sql`, `timeout` or `refused` (by our guard)."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class WarehouseLost(Exception):
    """No statement can be sent: the login was refused or the warehouse cannot be reached."""

    def __init__(self, failure: ScanFailure, message: str) -> None:
        super().__init__(message)
        self.failure = failure
        self.message = message


@dataclass(frozen=True, slots=True)
class Rows:
    """What a statement answered. `truncated` says that there were more rows than asked for."""

    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]
    truncated: bool


@dataclass(slots=True)
class Limits:
    """What the statements of one scan must keep, and the count of what they used."""

    tag: str
    """JSON of tenant, dataset and run: the query tag."""
    deadline: float
    """`time.monotonic()` of the scan's end."""
    statement_seconds: float
    statements: int = 0
    warehouse_seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def seconds_left(self) -> float:
        """How long the next statement may take. Raises StatementFailed when the scan's time is over."""
        left = min(self.statement_seconds, self.deadline - time.monotonic())
        if left <= 0:
            raise StatementFailed("timeout", "The scan's time was over before this statement could run.")
        return left

    def count(self, seconds: float) -> None:
        with self._lock:
            self.statements += 1
            self.warehouse_seconds += seconds


class Session(Protocol):
    """One login, used by one thread at a time."""

    scope: guard.Scope

    def run(self, sql: str, limits: Limits, row_cap: int) -> Rows:
        """Send one statement that the guard has passed. Raises StatementFailed or WarehouseLost."""
        ...

    def cancel(self) -> None:
        """Stop the running statement, from any thread. Quiet when none runs."""
        ...

    def healthy(self) -> bool:
        """Whether the session may be used again: open, and with the database and schema it was made for."""
        ...

    def close(self) -> None: ...


def execute(session: Session, sql: str, limits: Limits, *, row_cap: int, internal: bool = False) -> Rows:
    """The one way to a warehouse: guard, deadline, tag, row cap, journal. Raises StatementFailed or WarehouseLost."""
    try:
        guard.check(sql, session.scope, internal=internal)
    except guard.Refused as refused:
        raise StatementFailed("refused", refused.message) from None
    started = time.monotonic()
    try:
        return session.run(sql, limits, row_cap)
    finally:
        limits.count(time.monotonic() - started)

"""The sessions of one worker: a few per warehouse, kept open between scans of the same binding."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from services.quality.domain.connection import ConnectionSpec, PostgresConnection, SnowflakeConnection
from services.quality.soda.guard import Scope, fold_name
from services.quality.soda.session import Announce, Limits, Rows, Session, WarehouseLost, execute

MAX_SESSIONS = 4
"""Statements sent to one warehouse at the same time by one scan."""


def scope_of(spec: ConnectionSpec, database: str, schema: str) -> Scope:
    """What the checks of a dataset may read: its own schema, the connection's, and the granted ones."""
    dialect = "snowflake" if isinstance(spec, SnowflakeConnection) else "postgres"
    own = (fold_name(spec.database, dialect), fold_name(spec.schema or "public", dialect))
    place = (fold_name(database, dialect) if database else own[0], fold_name(schema, dialect) if schema else own[1])
    granted = {own, *(_granted(entry, own[0], dialect) for entry in spec.granted_schemas)}
    # The dataset's place is named by the registry, not by the checks, which may not widen it.
    return Scope(dialect, place[0], place[1], frozenset(granted | {place}))


def _granted(entry: str, database: str, dialect: str) -> tuple[str, str]:
    parts = entry.strip().split(".")
    return (fold_name(parts[-2], dialect) if len(parts) > 1 else database, fold_name(parts[-1], dialect))


class SessionPool:
    """Lends sessions of one login to threads; opens new ones up to MAX_SESSIONS."""

    def __init__(self, spec: ConnectionSpec, scope: Scope, announce: Announce) -> None:
        self.scope = scope
        self._spec = spec
        self._announce = announce
        self._idle: list[Session] = []
        self._all: list[Session] = []
        self._free = threading.BoundedSemaphore(MAX_SESSIONS)
        self._lock = threading.Lock()

    def execute(self, sql: str, limits: Limits, *, row_cap: int, internal: bool = False) -> Rows:
        """Send one statement on a free session. A kept session that turns out to be dead is replaced once.

        Raises StatementFailed or WarehouseLost.
        """
        kept = self.has_idle()
        try:
            with self.lease() as session:
                return execute(session, sql, limits, row_cap=row_cap, internal=internal)
        except WarehouseLost:
            if not kept:
                raise
        self._drop_idle()
        with self.lease() as session:
            return execute(session, sql, limits, row_cap=row_cap, internal=internal)

    @contextmanager
    def lease(self) -> Iterator[Session]:
        """A session for one thread. Raises WarehouseLost when none can be opened."""
        with self._free:
            session = self._take()
            try:
                yield session
            except WarehouseLost:
                self._discard(session)
                raise
            except BaseException:
                self._give_back(session)
                raise
            self._give_back(session)

    def cancel_all(self) -> None:
        """Stop whatever runs on any session."""
        with self._lock:
            sessions = list(self._all)
        for session in sessions:
            session.cancel()

    def close(self) -> None:
        with self._lock:
            sessions, self._all, self._idle = list(self._all), [], []
        for session in sessions:
            session.close()

    def has_idle(self) -> bool:
        return bool(self._idle)

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            self._discard(session)

    def _take(self) -> Session:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        session = open_session(self._spec, self.scope, self._announce)
        with self._lock:
            self._all.append(session)
        return session

    def _give_back(self, session: Session) -> None:
        if session.healthy():
            with self._lock:
                self._idle.append(session)
        else:
            self._discard(session)

    def _discard(self, session: Session) -> None:
        with self._lock:
            if session in self._all:
                self._all.remove(session)
        session.close()


def open_session(spec: ConnectionSpec, scope: Scope, announce: Announce) -> Session:
    """Log in. Raises WarehouseLost."""
    if isinstance(spec, PostgresConnection):
        from services.quality.soda.postgres_session import PostgresSession

        return PostgresSession(spec, scope, announce)
    from services.quality.soda.snowflake_session import SnowflakeSession

    return SnowflakeSession(spec, scope, announce)

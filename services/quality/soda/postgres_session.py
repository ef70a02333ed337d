"""One PostgreSQL login through psycopg2, read only from its first statement."""

from __future__ import annotations

from contextlib import suppress

import psycopg2
from psycopg2.extensions import quote_ident

from services.quality.domain.connection import PostgresConnection
from services.quality.domain.scan import ScanFailure
from services.quality.soda.guard import Scope
from services.quality.soda.session import Announce, Limits, Rows, StatementFailed, WarehouseLost

LOGIN_SECONDS = 8
_LOGIN_STATES = ("28", "3D")
"""SQLSTATE classes of a refused login: authorization, no such database."""
_LOST_STATES = ("08", "57P0", "53300")
_LOGIN_WORDS = ("password authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry")


class PostgresSession:
    """A login in autocommit mode whose every transaction is read only. Raises WarehouseLost when it cannot be opened."""

    def __init__(self, spec: PostgresConnection, scope: Scope, announce: Announce) -> None:
        self.scope = scope
        self._timeout_ms = 0
        try:
            self._connection = psycopg2.connect(
                host=spec.host, port=spec.port or 5432, dbname=spec.database, user=spec.user, password=spec.password,
                sslmode=spec.sslmode or "prefer", connect_timeout=LOGIN_SECONDS, application_name="chalkandduster", client_encoding="UTF8",
            )  # fmt: skip
            self._connection.autocommit = True
            self._prepare()
        except psycopg2.Error as error:
            raise _login_failure(error, spec) from None

    def _prepare(self) -> None:
        with self._connection.cursor() as cursor:
            path = quote_ident(self.scope.schema, cursor)
            cursor.execute(
                f"SET default_transaction_read_only = on; SET search_path TO {path}; SET timezone = 'UTC'; "
                "SET idle_in_transaction_session_timeout = '60s'; SET standard_conforming_strings = on"
            )
            if self._connection.server_version >= 140000:
                # The server stops a statement whose client is gone: this process may be killed in the middle of one.
                with suppress(psycopg2.Error):
                    cursor.execute("SET client_connection_check_interval = '1s'")

    def run(self, sql: str, limits: Limits, row_cap: int) -> Rows:
        left = limits.seconds_left()
        tag = limits.tag.replace("*/", "").replace("/*", "")
        try:
            with self._connection.cursor() as cursor:
                self._limit(cursor, left)
                cursor.execute(f"/* {tag} */ {sql}")
                rows = cursor.fetchmany(row_cap + 1)
                columns = tuple(part.name for part in cursor.description or ())
        except (psycopg2.Error, UnicodeError, ValueError) as error:
            raise _statement_failure(error, left) from None
        return Rows(columns, [tuple(row) for row in rows[:row_cap]], len(rows) > row_cap)

    def _limit(self, cursor: psycopg2.extensions.cursor, seconds: float) -> None:
        # A changed timeout costs a round trip: it is only sent when it would cut the statement's time by over a tenth.
        wanted = max(1, round(seconds * 1000))
        if not wanted <= self._timeout_ms <= wanted * 1.1:
            self._timeout_ms = round(wanted * 1.05)
            cursor.execute(f"SET statement_timeout = {self._timeout_ms}")

    def cancel(self) -> None:
        with suppress(psycopg2.Error):
            self._connection.cancel()

    def healthy(self) -> bool:
        return not self._connection.closed

    def close(self) -> None:
        with suppress(psycopg2.Error):
            self._connection.close()


def _login_failure(error: psycopg2.Error, spec: PostgresConnection) -> WarehouseLost:
    text = _plain(error)
    if (error.pgcode or "").startswith(_LOGIN_STATES) or any(word in text for word in _LOGIN_WORDS):
        return WarehouseLost(ScanFailure.WAREHOUSE_REFUSED_LOGIN, f"The warehouse refused the login: {text}")
    return WarehouseLost(ScanFailure.WAREHOUSE_UNREACHABLE, f"The warehouse at {spec.host}:{spec.port or 5432} cannot be reached: {text}")


def _statement_failure(error: Exception, seconds: float) -> StatementFailed | WarehouseLost:
    code = getattr(error, "pgcode", None) or ""
    if code == "57014":
        return StatementFailed("timeout", f"The statement was stopped; it may take {seconds:.0f} seconds.")
    if code.startswith(_LOST_STATES) or (isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError)) and not code):
        return WarehouseLost(ScanFailure.WAREHOUSE_UNREACHABLE, f"The connection to the warehouse was lost: {_plain(error)}")
    return StatementFailed("sql", _plain(error))


def _plain(error: Exception) -> str:
    lines = [line for line in str(error).strip().splitlines() if not line.lstrip().startswith(("LINE ", "^"))]
    return " ".join(" ".join(lines).split())[:600]

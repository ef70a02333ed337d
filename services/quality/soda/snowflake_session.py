"""One Snowflake login through the official connector."""

from __future__ import annotations

import re
import socket
import uuid
from contextlib import suppress
from typing import Any

from cryptography.hazmat.primitives import serialization
from snowflake.connector import SnowflakeConnection as Connection
from snowflake.connector.errors import DatabaseError, Error, HttpError, InterfaceError, OperationalError

from services.common.snowflake_driver import FileTransferRefused, ReadingCursor, StayingConnection
from services.quality.domain.connection import SnowflakeConnection
from services.quality.domain.scan import ScanFailure
from services.quality.soda.guard import Scope
from services.quality.soda.session import Announce, Limits, Rows, StatementFailed, WarehouseLost

LOGIN_SECONDS = 15
PROBE_SECONDS = 5.0
"""A host that takes no TCP connection within this is unreachable; the connector itself would go on trying."""
_LOGIN_ERRORS = frozenset({250001, 251005, 251006, 390100, 390101, 390102, 390103, 390144, 390422})
# Whole words: a port may hold the digits of a status code.
_UNREACHABLE = re.compile(r"could not connect|timed out|timeout|max retries|\b50[23]\b", re.IGNORECASE)
_CANCELLED_STATES = frozenset({"57014"})
_CANCELLED_CODES = frozenset({604, 630})


class SnowflakeSession:
    """A login with its own cursor class, tags and timeouts. Raises WarehouseLost when it cannot be opened."""

    def __init__(self, spec: SnowflakeConnection, scope: Scope, announce: Announce) -> None:
        self.scope = scope
        self._announce = announce
        self._running: tuple[str, uuid.UUID] | None = None
        _probe(spec)
        try:
            self._connection = StayingConnection(**_arguments(spec, scope))
        except Error as error:
            raise _login_failure(error) from None
        self._binding = self._place()
        self.id = uuid.uuid4().hex
        announce({"session": self.id, "url": _base_url(spec), "token": getattr(self._connection.rest, "token", "")})

    def run(self, sql: str, limits: Limits, row_cap: int) -> Rows:
        request = uuid.uuid4()
        left = max(1, round(limits.seconds_left()))
        parameters = {"QUERY_TAG": limits.tag, "requestId": str(request), "STATEMENT_TIMEOUT_IN_SECONDS": str(left)}
        self._running = (sql, request)
        self._announce({"session": self.id, "started": str(request)})
        try:
            with self._connection.cursor(ReadingCursor) as cursor:
                cursor.execute(sql, timeout=left, _statement_params=parameters)
                rows = cursor.fetchmany(row_cap + 1)
                columns = tuple(part.name for part in cursor.description or ())
        except Error as error:
            raise _statement_failure(error, left) from None
        except FileTransferRefused as refused:
            raise StatementFailed("refused", str(refused)) from None
        finally:
            self._running = None
            self._announce({"session": self.id, "ended": str(request)})
        return Rows(columns, [tuple(row) for row in rows[:row_cap]], len(rows) > row_cap)

    def cancel(self) -> None:
        running = self._running
        if running is not None:
            with suppress(Error, OSError):
                self._connection._cancel_query(*running)

    def healthy(self) -> bool:
        return not self._connection.is_closed() and self._place() == self._binding

    def close(self) -> None:
        with suppress(Error, OSError):
            self._connection.close(retry=False)

    def _place(self) -> tuple[str | None, ...]:
        connection: Connection = self._connection
        return connection.database, connection.schema, connection.role, connection.warehouse


def _arguments(spec: SnowflakeConnection, scope: Scope) -> dict[str, Any]:
    secret: dict[str, Any] = {"password": spec.password}
    if spec.private_key_pem:
        secret = {"private_key": _der(spec.private_key_pem), "authenticator": "SNOWFLAKE_JWT"}
    optional = {"host": spec.host, "port": spec.port, "warehouse": spec.warehouse, "role": spec.role, "protocol": spec.protocol}
    return {
        "account": spec.account,
        "user": spec.user,
        "database": _as_argument(scope.database),
        "schema": _as_argument(scope.schema),
        **{name: value for name, value in optional.items() if value},
        **secret,
        "application": "ChalkAndDuster",
        "login_timeout": LOGIN_SECONDS,
        # Without it the connector retries server errors for ever; statements have their own, shorter timeout.
        "network_timeout": 3600,
        # The connector would ask cloud metadata servers where it runs.
        "platform_detection_timeout_seconds": 0,
        "client_session_keep_alive": False,
        "client_prefetch_threads": 1,
        "log_imported_packages_in_telemetry": False,
        "session_parameters": {"CLIENT_TELEMETRY_ENABLED": False, "ABORT_DETACHED_QUERY": True, "TIMEZONE": "UTC"},
    }


def _as_argument(stored: str) -> str:
    return stored if stored == stored.upper() else f'"{stored}"'


def _der(pem: str) -> bytes:
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise WarehouseLost(ScanFailure.WAREHOUSE_REFUSED_LOGIN, "The private key is not an unencrypted PEM key.") from None
    return key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _host_port(spec: SnowflakeConnection) -> tuple[str, int]:
    host = spec.host or f"{spec.account}.snowflakecomputing.com"
    return host, spec.port or (80 if spec.protocol == "http" else 443)


def _base_url(spec: SnowflakeConnection) -> str:
    host, port = _host_port(spec)
    return f"{spec.protocol or 'https'}://{host}:{port}"


def _probe(spec: SnowflakeConnection) -> None:
    host, port = _host_port(spec)
    try:
        socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
    except (OSError, UnicodeError):
        message = f"The warehouse at {host}:{port} cannot be reached."
        raise WarehouseLost(ScanFailure.WAREHOUSE_UNREACHABLE, message) from None


def _login_failure(error: Error) -> WarehouseLost:
    text = _plain(error)
    refused = isinstance(error, DatabaseError) and error.errno in _LOGIN_ERRORS and not isinstance(error, HttpError)
    if refused and not _UNREACHABLE.search(text):
        return WarehouseLost(ScanFailure.WAREHOUSE_REFUSED_LOGIN, f"The warehouse refused the login: {text}")
    return WarehouseLost(ScanFailure.WAREHOUSE_UNREACHABLE, f"The warehouse did not complete the login: {text}")


def _statement_failure(error: Error, seconds: int) -> StatementFailed | WarehouseLost:
    if error.errno in _CANCELLED_CODES or error.sqlstate in _CANCELLED_STATES:
        return StatementFailed("timeout", f"The statement was stopped; it may take {seconds} seconds.")
    lost = (OperationalError, InterfaceError, HttpError)
    if isinstance(error, lost) or error.errno in (390111, 390112, 390114, 390195):
        return WarehouseLost(ScanFailure.WAREHOUSE_UNREACHABLE, f"The connection to the warehouse was lost: {_plain(error)}")
    return StatementFailed("sql", _plain(error))


def _plain(error: Error) -> str:
    text = str(error.raw_msg or error.msg or "").strip()
    return " ".join(text.split())[:600]

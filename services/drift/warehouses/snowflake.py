"""One login to Snowflake through the official connector, which blocks: everything runs in threads."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from snowflake.connector import SnowflakeConnection as Connection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import DatabaseError, Error, HttpError, InterfaceError, OperationalError
from snowflake.connector.session_manager import SessionManager

from services.drift.app.ports import Row, SessionRequest
from services.drift.domain.connection import SnowflakeConnection
from services.drift.domain.dataset import CatalogTable, DatasetDefinition
from services.drift.domain.errors import (
    StatementTimedOut,
    WarehouseRefusedLogin,
    WarehouseRefusedStatement,
    WarehouseUnreachable,
)
from services.drift.profiling.dialects import quote_identifier
from services.drift.warehouses.catalog import chosen_place, snowflake_kind, snowflake_type, table_of
from services.drift.warehouses.failure import quoted

REACH_SECONDS = 5.0
LOGIN_SECONDS = 15
CATALOG_SECONDS = 30.0
_CANCEL_SECONDS = 5.0
_LOGIN_ERRORS = frozenset({250001, 251005, 251006, 390100, 390101, 390102, 390103, 390144, 390422})
_CANCELLED_CODES = frozenset({604, 630})
_EXPIRED_CODES = frozenset({390111, 390112, 390114, 390195})
_DOMAIN = "snowflakecomputing.com"

T = TypeVar("T")


class FileTransferRefused(Exception):
    """The server answered a query with an order to move files between itself and this machine."""


class ReadingCursor(SnowflakeCursor):
    """A cursor that never moves files: PUT and GET are ordered by the server's reply, whatever was sent."""

    def _create_file_transfer_agent(self, *_arguments: Any, **_options: Any) -> Any:
        raise FileTransferRefused


class StayingConnection(Connection):
    """A connection that follows no redirect: the host was checked, the place it points to was not."""

    @property
    def _session_manager(self) -> SessionManager | None:
        return self.__dict__.get("_staying_session_manager")

    @_session_manager.setter
    def _session_manager(self, manager: SessionManager | None) -> None:
        if manager is not None:
            make_session = manager.make_session

            def make_staying_session() -> Any:
                session = make_session()
                session.max_redirects = 0
                return session

            vars(manager)["make_session"] = make_staying_session
        self.__dict__["_staying_session_manager"] = manager


class SnowflakeSession:
    """`app.ports.WarehouseSession`. One statement at a time."""

    def __init__(self, connection: Connection, spec: SnowflakeConnection, request: SessionRequest, executor: Executor) -> None:
        self._connection = connection
        self._spec = spec
        self._tag = json.dumps(dict(request.tag))
        self._zone = ZoneInfo(request.zone)
        self._executor = executor

    async def table(self, dataset: DatasetDefinition) -> CatalogTable | None:
        database, schema = dataset.database or self._spec.database, dataset.schema or self._spec.schema
        catalog = f"{quote_identifier(database)}.information_schema"
        wanted = (schema, dataset.table)
        found = await self._run(
            f"SELECT table_schema, table_name, column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, "  # noqa: S608
            f"is_nullable FROM {catalog}.columns WHERE UPPER(table_schema) = UPPER(%s) AND UPPER(table_name) = UPPER(%s) "
            "ORDER BY table_schema, table_name, ordinal_position",
            CATALOG_SECONDS,
            wanted,
        )
        place = chosen_place([(row[0], row[1]) for row in found], *wanted)
        if place is None:
            return None
        columns = [
            (name, snowflake_type(data_type, length, precision, scale), str(nullable).upper() != "NO", snowflake_kind(data_type))
            for row_schema, row_table, name, data_type, length, precision, scale, nullable in found
            if (row_schema, row_table) == place
        ]
        return await self._sized(table_of((database, *place), columns), catalog, place)

    async def _sized(self, table: CatalogTable, catalog: str, place: tuple[str, str]) -> CatalogTable:
        """The table with its rows and with how long earlier states of it are kept, where the warehouse says so."""
        sql = f"SELECT row_count, retention_time FROM {catalog}.tables WHERE table_schema = %s AND table_name = %s"  # noqa: S608
        with contextlib.suppress(WarehouseRefusedStatement, ValueError, TypeError):
            rows = await self._run(sql, CATALOG_SECONDS, place)
            count, days = rows[0] if rows else (None, None)
            return replace(table, rows=None if count is None else int(count), retention_days=int(days or 0))
        return table

    async def query(self, sql: str, seconds: float) -> Sequence[Row]:
        return await self._run(sql, seconds)

    async def _run(self, sql: str, seconds: float, parameters: Sequence[str] = ()) -> Sequence[Row]:
        request = uuid.uuid4()
        future = asyncio.get_running_loop().run_in_executor(self._executor, self._execute, sql, seconds, parameters, request)
        try:
            rows = await asyncio.shield(future)
        except asyncio.CancelledError:
            await self._cancel(sql, request, future)
            raise
        except Error as error:
            raise _statement_failure(error, seconds) from error
        except FileTransferRefused as error:
            raise WarehouseRefusedStatement("The warehouse asked for a file transfer, which a profile never makes.") from error
        return [tuple(self._local(value) for value in row) for row in rows]

    def _execute(self, sql: str, seconds: float, parameters: Sequence[str], request: uuid.UUID) -> list[Row]:
        limit = max(1, round(seconds))
        statement = {"QUERY_TAG": self._tag, "requestId": str(request), "STATEMENT_TIMEOUT_IN_SECONDS": str(limit)}
        cursor: Any = self._connection.cursor(ReadingCursor)
        with cursor:
            # With `None` the connector leaves a % in the text alone.
            cursor.execute(sql, list(parameters) or None, timeout=limit, _statement_params=statement)
            return list(cursor.fetchall())

    async def _cancel(self, sql: str, request: uuid.UUID, future: asyncio.Future[list[Row]]) -> None:
        """Stop the statement and wait until its thread is free; not for ever, for the warehouse may be gone."""
        stop = asyncio.get_running_loop().run_in_executor(self._executor, self._connection._cancel_query, sql, request)
        both: set[asyncio.Future[Any]] = {stop, future}
        await asyncio.wait(both, timeout=_CANCEL_SECONDS)
        for ended in both:
            if ended.done() and not ended.cancelled():
                ended.exception()  # looked at, so that nobody complains that nobody did

    def _local(self, value: Any) -> Any:
        """Partitions are named by local time without an offset."""
        if not isinstance(value, datetime) or value.tzinfo is None:
            return value
        with contextlib.suppress(OverflowError):
            return value.astimezone(self._zone).replace(tzinfo=None)
        return value.replace(tzinfo=None)


@asynccontextmanager
async def open_snowflake(spec: SnowflakeConnection, request: SessionRequest, executor: Executor) -> AsyncIterator[SnowflakeSession]:
    """Raises WarehouseUnreachable and WarehouseRefusedLogin."""
    await _reach(spec, request.addresses)
    connection = await _logged_in(spec, request, executor)
    try:
        yield SnowflakeSession(connection, spec, request, executor)
    finally:
        await _in_thread(executor, lambda: _close(connection))


async def _logged_in(spec: SnowflakeConnection, request: SessionRequest, executor: Executor) -> Connection:
    """The login; when the task is cancelled meanwhile, the thread logs out again by itself."""
    wanted = True

    def work() -> Connection:
        connection = _log_in(spec, request)
        if not wanted:
            _close(connection)
        return connection

    try:
        return await _in_thread(executor, work)
    except asyncio.CancelledError:
        wanted = False
        raise


async def _in_thread(executor: Executor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(executor, work)


def place_of(spec: SnowflakeConnection) -> tuple[str, int]:
    """Host and port of the login."""
    return spec.host or f"{spec.account}.{_DOMAIN}", spec.port or (80 if spec.protocol == "http" else 443)


async def _reach(spec: SnowflakeConnection, addresses: Sequence[str]) -> None:
    """The connector would try again and again where nobody listens, and then say little."""
    host, port = place_of(spec)
    try:
        async with asyncio.timeout(REACH_SECONDS):
            _, writer = await asyncio.open_connection(addresses[0] if addresses else host, port)
    except (TimeoutError, OSError, UnicodeError) as error:
        raise WarehouseUnreachable(f"The warehouse at {host}:{port} cannot be reached.") from error
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _log_in(spec: SnowflakeConnection, request: SessionRequest) -> Connection:
    try:
        return StayingConnection(**_arguments(spec, request))
    except Error as error:
        raise _login_failure(error) from error


def _close(connection: Connection) -> None:
    with contextlib.suppress(Exception):  # a logout that fails changes nothing about the profile
        connection.close(retry=False)


def _arguments(spec: SnowflakeConnection, request: SessionRequest) -> dict[str, Any]:
    optional = {"host": spec.host, "port": spec.port, "warehouse": spec.warehouse, "role": spec.role, "protocol": spec.protocol}
    return {
        "account": spec.account,
        "user": spec.user,
        "database": _as_argument(spec.database),
        "schema": _as_argument(spec.schema),
        **{name: value for name, value in optional.items() if value},
        **_secret(spec),
        "application": "ChalkAndDuster",
        "login_timeout": LOGIN_SECONDS,
        # Without it the connector repeats server errors for ever; statements have their own, shorter timeout.
        "network_timeout": 3600,
        # The connector would ask cloud metadata servers where it runs.
        "platform_detection_timeout_seconds": 0,
        "client_session_keep_alive": False,
        "client_prefetch_threads": 1,
        "log_imported_packages_in_telemetry": False,
        "session_parameters": {"CLIENT_TELEMETRY_ENABLED": False, "ABORT_DETACHED_QUERY": True, "TIMEZONE": request.zone},
    }


def _as_argument(stored: str) -> str:
    # Given in upper case it is what an unquoted name stands for; anything else only a quoted one can mean.
    return stored if stored == stored.upper() else quote_identifier(stored)


def _secret(spec: SnowflakeConnection) -> dict[str, Any]:
    if not spec.private_key_pem:
        return {"password": spec.password}
    try:
        key = load_pem_private_key(spec.private_key_pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise WarehouseRefusedLogin("The private key is not an unencrypted PEM key.") from error
    return {"authenticator": "SNOWFLAKE_JWT", "private_key": key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())}


def _login_failure(error: Error) -> WarehouseRefusedLogin | WarehouseUnreachable:
    text = str(error.raw_msg or error.msg or "")
    refused = isinstance(error, DatabaseError) and error.errno in _LOGIN_ERRORS and not isinstance(error, HttpError)
    away = any(word in text.lower() for word in ("could not connect", "timed out", "timeout", "503", "502", "max retries"))
    if refused and not away:
        return WarehouseRefusedLogin(f"The warehouse refused the login: {quoted(text)}.")
    return WarehouseUnreachable(f"The warehouse did not complete the login: {quoted(text)}.")


def _statement_failure(error: Error, seconds: float) -> StatementTimedOut | WarehouseUnreachable | WarehouseRefusedStatement:
    if error.errno in _CANCELLED_CODES or error.sqlstate == "57014":
        return StatementTimedOut(f"A statement was stopped after {seconds:.0f} seconds.")
    if isinstance(error, OperationalError | InterfaceError | HttpError) or error.errno in _EXPIRED_CODES:
        return WarehouseUnreachable("The connection to the warehouse was lost.")
    return WarehouseRefusedStatement(f"The warehouse refused a statement of the profile: {quoted(error.raw_msg or error.msg or '')}.")

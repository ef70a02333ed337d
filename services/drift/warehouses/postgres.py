"""One read-only login to Postgres."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from services.drift.app.ports import Row, SessionRequest
from services.drift.domain.connection import PostgresConnection
from services.drift.domain.dataset import CatalogTable, DatasetDefinition
from services.drift.domain.errors import (
    StatementTimedOut,
    WarehouseRefusedLogin,
    WarehouseRefusedStatement,
    WarehouseUnreachable,
)
from services.drift.warehouses.catalog import chosen_place, postgres_kind, table_of
from services.drift.warehouses.failure import quoted

CONNECT_SECONDS = 10.0
CATALOG_SECONDS = 15.0
_CLOSE_SECONDS = 5.0
# Of tables, partitioned tables, views, materialised views and foreign tables; format_type keeps lengths and precisions.
_COLUMNS = """
SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, t.typname, t.typcategory::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE lower(n.nspname) = lower($1) AND lower(c.relname) = lower($2) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY n.nspname, c.relname, a.attnum
"""
_LOST = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, OSError)


class PostgresSession:
    """`app.ports.WarehouseSession`."""

    def __init__(self, connection: Any, spec: PostgresConnection, zone: str) -> None:
        self._connection = connection
        self._spec = spec
        self._zone = ZoneInfo(zone)

    async def table(self, dataset: DatasetDefinition) -> CatalogTable | None:
        schema = dataset.schema or self._spec.schema
        with _explained(self._spec, CATALOG_SECONDS):
            found = await self._connection.fetch(_COLUMNS, schema, dataset.table, timeout=CATALOG_SECONDS)
        place = chosen_place([(row[0], row[1]) for row in found], schema, dataset.table)
        if place is None:
            return None
        columns = [row for row in found if (row[0], row[1]) == place and row[2] is not None]
        return table_of(place, [(name, declared, nullable, postgres_kind(*kind)) for _, _, name, declared, nullable, *kind in columns])

    async def query(self, sql: str, seconds: float) -> Sequence[Row]:
        with _explained(self._spec, seconds):
            await self._connection.execute(f"SET statement_timeout = {max(1, round(seconds * 1000))}", timeout=CATALOG_SECONDS)
            # The server's own limit comes first; ours is for a server that says nothing any more.
            rows = await self._connection.fetch(sql, timeout=seconds + 5)
        return [tuple(self._local(value) for value in row) for row in rows]

    def _local(self, value: Any) -> Any:
        """The driver answers instants in UTC; partitions are named by local time."""
        if not isinstance(value, datetime) or value.tzinfo is None:
            return value
        with contextlib.suppress(OverflowError):
            return value.astimezone(self._zone).replace(tzinfo=None)
        return value.replace(tzinfo=None)


@asynccontextmanager
async def open_postgres(spec: PostgresConnection, request: SessionRequest) -> AsyncIterator[PostgresSession]:
    """Raises WarehouseUnreachable and WarehouseRefusedLogin."""
    with _login_explained(spec):
        connection = await asyncpg.connect(
            # The addresses that the egress policy let pass, so that the name cannot lead elsewhere a moment later; with
            # verify-full the certificate needs the name, and a host without such a certificate gets no password.
            host=[spec.host] if spec.sslmode == "verify-full" or not request.addresses else list(request.addresses),
            port=spec.port,
            user=spec.user,
            # Never None: the driver would then look for a password in this process's environment and home directory.
            password=spec.password,
            database=spec.database,
            ssl=_tls(spec.sslmode),
            timeout=CONNECT_SECONDS,
            statement_cache_size=0,  # our statements run once, and a pooler in transaction mode does not know them the next time
            server_settings={
                "application_name": "chalkandduster " + request.tag.get("dataset", ""),
                "default_transaction_read_only": "on",
                "search_path": "pg_catalog",
                "timezone": request.zone,
                "jit": "off",  # compiling an aggregate over 500 columns takes longer than running it
            },
        )
    try:
        yield PostgresSession(connection, spec, request.zone)
    finally:
        with contextlib.suppress(Exception):  # whatever the server does at the end, it has answered
            await connection.close(timeout=_CLOSE_SECONDS)


def _tls(sslmode: str) -> ssl.SSLContext | str | bool:
    """Contexts of our own where possible: for a mode's name the driver reads certificates from the home directory."""
    if sslmode == "disable":
        return False
    if sslmode == "prefer":
        return "prefer"
    context = ssl.create_default_context()
    context.check_hostname = sslmode == "verify-full"
    if sslmode == "require":
        context.verify_mode = ssl.CERT_NONE
    return context


@contextlib.contextmanager
def _login_explained(spec: PostgresConnection) -> Iterator[None]:
    place = f"{spec.host}:{spec.port}"
    try:
        yield
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise WarehouseRefusedLogin(f"The warehouse refused the login: {quoted(error)}.") from error
    except TimeoutError as error:
        raise WarehouseUnreachable(f"The warehouse at {place} did not answer within {CONNECT_SECONDS:.0f} seconds.") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        raise WarehouseUnreachable(f"The warehouse at {place} cannot be reached: {quoted(error)}.") from error


@contextlib.contextmanager
def _explained(spec: PostgresConnection, seconds: float) -> Iterator[None]:
    try:
        yield
    except (asyncpg.QueryCanceledError, TimeoutError) as error:
        raise StatementTimedOut(f"A statement was stopped after {seconds:.0f} seconds.") from error
    except _LOST as error:
        raise WarehouseUnreachable(f"The connection to the warehouse at {spec.host}:{spec.port} was lost.") from error
    except asyncpg.PostgresError as error:
        raise WarehouseRefusedStatement(f"The warehouse refused a statement of the profile: {quoted(error)}.") from error

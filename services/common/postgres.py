"""Postgres: the pool, the transaction of one tenant, and driver errors in our words."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias

import asyncpg

from services.common.errors import DependencyUnavailable, FieldViolation, InvalidRequest
from services.common.ids import parse_uuid

_log = logging.getLogger(__name__)

Connection: TypeAlias = asyncpg.Connection
"""What a transaction hands out."""

_ACQUIRE_SECONDS = 10.0
# Less than what the health monitor waits; also how long a commit counts as an answer.
_PING_SECONDS = 1.5
_SATURATED_SECONDS = 10.0
_CLOSE_SECONDS = 5.0
# Longer than any statement of ours between two others of one transaction; a forgotten transaction blocks vacuum.
_IDLE_IN_TRANSACTION_SECONDS = 60.0


class DatabaseUnavailable(DependencyUnavailable):
    """Postgres does not answer, or refused for a moment (restart, no free connection, timeout, deadlock)."""

    default_message = "The service's database does not answer; try again later."


class ConstraintViolation(Exception):
    """A constraint of the schema refused a change; a repository turns it into the error that the caller understands."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint
        """Name of the constraint or unique index."""


class SwallowedError(Exception):
    """A block caught a statement's error and went on as if nothing were: Postgres had rolled back all of it. Use `savepoint`."""


class UniqueViolation(ConstraintViolation):
    """The row exists."""


class ForeignKeyViolation(ConstraintViolation):
    """The row that is pointed at does not exist, or the row to delete is pointed at."""


class CheckViolation(ConstraintViolation):
    """A value is outside of what the table takes (CHECK or NOT NULL)."""


# By class, never by text: https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOST: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ConnectionDoesNotExistError,
    TimeoutError,  # the server's own limit is shorter: when ours is reached, it says nothing any more
)
_BUSY: tuple[type[BaseException], ...] = (
    asyncpg.TooManyConnectionsError,
    asyncpg.InsufficientResourcesError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.ReadOnlySQLTransactionError,  # the server is a standby: a failover is under way
)
_CONSTRAINTS: tuple[tuple[type[asyncpg.PostgresError], type[ConstraintViolation]], ...] = (
    (asyncpg.UniqueViolationError, UniqueViolation),
    (asyncpg.ForeignKeyViolationError, ForeignKeyViolation),
    (asyncpg.RestrictViolationError, ForeignKeyViolation),
    (asyncpg.CheckViolationError, CheckViolation),
    (asyncpg.NotNullViolationError, CheckViolation),
)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Driver errors leave the block as DatabaseUnavailable, a ConstraintViolation or InvalidRequest; others as they are.

    `Database`'s transactions do this at their end. Use it inside one to catch a violation where it happens.
    """
    try:
        yield
    except Exception as error:
        found = _translation(error)
        if found is None:
            raise
        raise found from error


@contextmanager
def _unavailable_when_not_reached() -> Iterator[None]:
    """For the way to a connection, where every failure to reach the server is one of the database's."""
    with translated_errors():
        try:
            yield
        except (OSError, asyncpg.InterfaceError) as error:
            raise DatabaseUnavailable from error


def _translation(error: BaseException, *, closed: bool = False) -> Exception | None:
    """`closed`: whether the connection is. Only that tells a lost connection from other errors of the same classes."""
    if isinstance(error, _LOST + _BUSY) or (closed and isinstance(error, OSError | asyncpg.InterfaceError)):
        return DatabaseUnavailable()
    for kind, ours in _CONSTRAINTS:
        if isinstance(error, kind):
            return ours(error.constraint_name or error.column_name or "")
    if isinstance(error, asyncpg.CharacterNotInRepertoireError | asyncpg.UntranslatableCharacterError):
        return InvalidRequest([FieldViolation("", "text must be valid Unicode without the character U+0000")])
    return None


async def create_pool(
    dsn: str,
    *,
    application_name: str,
    search_path: str | None = None,
    max_size: int = 10,
    statement_timeout_seconds: float = 30,
    lock_timeout_seconds: float = 5,
    **connect: Any,
) -> asyncpg.Pool:
    """A pool that connects when first used, so that a service starts while Postgres does not yet answer (and says so in health).

    `search_path` is the service's schema; absent, the role's own default. Each connection has the given timeouts, of a
    statement and of a wait for a lock.
    """
    settings = {
        "application_name": application_name,
        "statement_timeout": str(round(statement_timeout_seconds * 1000)),
        "lock_timeout": str(round(lock_timeout_seconds * 1000)),
        "idle_in_transaction_session_timeout": str(round(_IDLE_IN_TRANSACTION_SECONDS * 1000)),
    }
    if search_path:
        settings["search_path"] = search_path
    # A little more than the server's own limit: that one says why, this one is for a server that says nothing any more.
    patience = statement_timeout_seconds + 5
    with _unavailable_when_not_reached():
        return await asyncpg.create_pool(
            dsn, min_size=0, max_size=max_size, command_timeout=patience, timeout=_ACQUIRE_SECONDS, server_settings=settings, **connect
        )


class Database:
    """Transactions on a pool. Nothing runs outside of one, and a tenant's rows are seen only inside the tenant's."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._worked_at = float("-inf")

    @asynccontextmanager
    async def tenant_tx(self, tenant_id: str) -> AsyncIterator[Connection]:
        """A transaction that sees and writes rows of this tenant only (row-level security reads `app.tenant_id`).

        Commits at the end of the block, rolls back when it raises. Raises ValueError when `tenant_id` is no UUID, and what
        `translated_errors` says.
        """
        tenant = parse_uuid(tenant_id)
        if tenant is None:
            raise ValueError("the tenant of a transaction must be a UUID")
        # One message instead of two: measured 0.2 ms less a transaction. Only the parsed UUID ever goes into the text.
        async with self._transaction(f"BEGIN; SET LOCAL app.tenant_id = '{tenant}'") as connection:
            yield connection

    @asynccontextmanager
    async def system_tx(self) -> AsyncIterator[Connection]:
        """A transaction of no tenant: it sees tables without row-level security, and what SECURITY DEFINER functions answer.

        Commits, rolls back and raises like `tenant_tx`.
        """
        async with self._transaction("BEGIN") as connection:
            yield connection

    async def ping(self) -> None:
        """Returns when Postgres answers. Raises DatabaseUnavailable when not: the health check of a service.

        A pool whose connections all are busy is no reason to call a service sick, as long as transactions get through.
        """
        since = time.monotonic() - self._worked_at
        if since < _PING_SECONDS or (self._is_saturated() and since < _SATURATED_SECONDS):
            return
        with _unavailable_when_not_reached():
            connection = await self._begin("SELECT 1", _PING_SECONDS)
            await self._pool.release(connection)

    def _is_saturated(self) -> bool:
        busy = self._pool.get_size() - self._pool.get_idle_size()
        return bool(busy >= self._pool.get_max_size())

    async def close(self) -> None:
        """Close the pool; statements that still run after five seconds are cut."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._pool.close()
        except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            self._pool.terminate()
            _log.warning("Connections to Postgres were cut at shutdown.")

    @asynccontextmanager
    async def _transaction(self, opening: str) -> AsyncIterator[Connection]:
        with _unavailable_when_not_reached():
            connection = await self._begin(opening, _ACQUIRE_SECONDS)
        try:
            yield connection
            if await connection.execute("COMMIT") != "COMMIT":
                raise SwallowedError
            self._worked_at = time.monotonic()
        except BaseException as error:
            found = _translation(error, closed=_is_closed(connection))
            await _roll_back(connection)
            if found is None:
                raise
            raise found from error
        finally:
            await self._pool.release(connection)

    async def _begin(self, opening: str, limit_seconds: float) -> Connection:
        """A connection on which `opening` ran. A connection that died in the pool is replaced, once: nothing was done on it yet."""
        try:
            return await self._open(opening, limit_seconds)
        except TimeoutError:
            raise
        except (*_LOST, OSError, asyncpg.InterfaceError):
            await self._pool.expire_connections()  # after a restart of Postgres all of them are dead
        return await self._open(opening, limit_seconds)

    async def _open(self, opening: str, limit_seconds: float) -> Connection:
        connection = await self._pool.acquire(timeout=limit_seconds)
        try:
            await connection.execute(opening, timeout=limit_seconds)
        except BaseException:
            await self._pool.release(connection)
            raise
        return connection


def _is_closed(connection: Connection) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # the pool has taken a lost connection out of our hands
        return True


async def _roll_back(connection: Connection) -> None:
    """The error that brought us here is the one to tell: another one on top of it only means that the connection is gone."""
    with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        await connection.execute("ROLLBACK", timeout=_CLOSE_SECONDS)


@asynccontextmanager
async def savepoint(connection: Connection) -> AsyncIterator[None]:
    """A part of a transaction that can fail alone: rolled back to here when the block raises.

    Needed because asyncpg refuses its own `transaction()` inside one that was begun by a statement.
    """
    await connection.execute("SAVEPOINT part")
    try:
        yield
    except BaseException:
        await connection.execute("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part")
        raise
    await connection.execute("RELEASE SAVEPOINT part")

"""Schema migrations: .sql files in dbmate's format, applied by the service itself through the driver that it has anyway.

A file is `<version>_<effect>.sql` with a part after `-- migrate:up` and one after `-- migrate:down`. A part runs in one
transaction, together with its entry in `<schema>.schema_migrations`, unless it says `-- migrate:up transaction:false`: that is
for one statement that refuses transactions (CREATE INDEX CONCURRENTLY), and it must be written so that it may run twice
(IF NOT EXISTS), for the process may die between the statement and its entry.

Any number of starters may run this at once: one applies, the others wait and find nothing to do.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import asyncpg

from services.common.postgres import Connection
from services.common.startup import CannotStart

_log = logging.getLogger(__name__)

_FILE_NAME = re.compile(r"(\d+)_[a-z0-9_]+\.sql")
_PART = re.compile(r"^-- migrate:(up|down)([^\n]*)$", re.MULTILINE)
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_LOCK_POLL_SECONDS = 0.1
_LOCK_WAIT_SECONDS = 600.0
"""As long as another starter may take: a concurrent index on a large table is minutes."""
# A migration that waits for a lock makes all other users of the table wait behind it: give up soon, let them pass, try again.
_TIMEOUTS = "SET LOCAL lock_timeout = '4s'; SET LOCAL statement_timeout = '5min'"
_LOCK_ATTEMPTS = 10


class MigrationError(CannotStart):
    """The schema cannot be brought up to date; the text is for the operator."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    version: str
    name: str
    up: str
    in_transaction: bool
    checksum: str
    """SHA-256 of the file with line ends as LF."""

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Reads one file. Raises MigrationError when its name or its parts are not as the format says."""
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name}: a migration is named <digits>_<effect in lower case>.sql")
        text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
        _, *parts = _PART.split(text)
        kinds = parts[::3]
        if kinds not in (["up"], ["up", "down"]):
            raise MigrationError(f"{path.name}: expected one `-- migrate:up`, then at most one `-- migrate:down`")
        options = parts[1].split()
        if options not in ([], ["transaction:true"], ["transaction:false"]):
            raise MigrationError(f"{path.name}: unknown option {parts[1].strip()!r} after `-- migrate:up`")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        return cls(match[1], path.stem, parts[2].strip(), options != ["transaction:false"], checksum)


def read_migrations(directory: Path) -> list[Migration]:
    """The migrations of a directory in the order of their versions. Raises MigrationError for a bad file or a version twice."""
    migrations = sorted((Migration.from_file(path) for path in directory.glob("*.sql")), key=lambda one: int(one.version))
    for one, following in itertools.pairwise(migrations):
        if int(one.version) == int(following.version):
            raise MigrationError(f"{one.name} and {following.name} have the same version")
    return migrations


async def run_migrations(dsn: str, directory: Path, schema: str) -> list[str]:
    """Bring `schema` up to date with the files of `directory`, and answer the names of those applied by this call.

    `dsn` is the owner's, direct: a pooler would lose the session's lock. Raises MigrationError when a file that was applied has
    been edited, when the database is ahead of the files (an older release), when a statement fails (that file is then not
    applied, those before it are), or when another starter holds the lock for ten minutes.
    """
    if not _IDENTIFIER.fullmatch(schema):
        raise MigrationError(f"{schema!r} is not a schema name")
    migrations = read_migrations(directory)
    async with _session(dsn, schema) as connection, _lock(connection, schema):
        applied = await _applied(connection, schema)
        _refuse_differences(migrations, applied)
        pending = [one for one in migrations if one.version not in applied]
        for migration in pending:
            await _apply(connection, migration, schema)
            _log.info("Migration applied.", extra={"migration": migration.name, "schema": schema})
    return [one.name for one in pending]


@asynccontextmanager
async def _session(dsn: str, schema: str) -> AsyncIterator[Connection]:
    settings = {"application_name": f"{schema}-migrations", "search_path": f"{schema}, pg_temp"}
    try:
        connection = await asyncpg.connect(dsn, server_settings=settings)
    except (OSError, asyncpg.PostgresError) as error:
        raise MigrationError(f"the database does not accept the migrations' login ({type(error).__name__})") from error
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _lock(connection: Connection, schema: str) -> AsyncIterator[None]:
    """Hold the advisory lock of the schema.

    Polled: a session that waits inside pg_advisory_lock() has a snapshot, CREATE INDEX CONCURRENTLY waits for all snapshots,
    and four starters were found in a deadlock that way.
    """
    key = int.from_bytes(hashlib.sha256(f"chalkandduster migrations of {schema}".encode()).digest()[:8], signed=True)
    try:
        async with asyncio.timeout(_LOCK_WAIT_SECONDS):
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):  # noqa: ASYNC110 - Postgres has no event for it
                await asyncio.sleep(_LOCK_POLL_SECONDS)
    except TimeoutError as error:
        raise MigrationError(f"another process has been migrating {schema} for {_LOCK_WAIT_SECONDS:.0f} seconds") from error
    yield  # released with the session, also when this process dies


async def _applied(connection: Connection, schema: str) -> dict[str, str | None]:
    """Checksum by version of what the database has; None for what dbmate applied."""
    if await connection.fetchval("SELECT to_regnamespace($1) IS NULL", schema):
        await connection.execute(f"CREATE SCHEMA {schema}")
    await connection.execute(
        f"CREATE TABLE IF NOT EXISTS {schema}.schema_migrations (version varchar PRIMARY KEY);"
        f"ALTER TABLE {schema}.schema_migrations ADD COLUMN IF NOT EXISTS checksum text,"
        f" ADD COLUMN IF NOT EXISTS applied_at timestamptz NOT NULL DEFAULT now()"
    )
    rows = await connection.fetch(f"SELECT version, checksum FROM {schema}.schema_migrations")  # noqa: S608 - an identifier, matched above
    return {row["version"]: row["checksum"] for row in rows}


def _refuse_differences(migrations: Sequence[Migration], applied: dict[str, str | None]) -> None:
    known = {one.version: one for one in migrations}
    ahead = sorted(set(applied) - set(known), key=int)
    if ahead:
        raise MigrationError(f"the database has migrations that this release does not know ({', '.join(ahead)}): start a newer release")
    for version, checksum in applied.items():
        if checksum is not None and checksum != known[version].checksum:
            raise MigrationError(f"{known[version].name}.sql was edited after it was applied: undo that, and write a new migration")


async def _apply(connection: Connection, migration: Migration, schema: str) -> None:
    try:
        if migration.in_transaction:
            await _apply_in_transaction(connection, migration, schema)
        else:
            await _apply_alone(connection, migration, schema)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise MigrationError(f"{migration.name}.sql failed: {error}") from error


async def _apply_in_transaction(connection: Connection, migration: Migration, schema: str) -> None:
    for attempt in range(1, _LOCK_ATTEMPTS + 1):
        try:
            async with connection.transaction():
                await connection.execute(_TIMEOUTS)
                await connection.execute(migration.up)
                await _enter(connection, migration, schema)
            return
        except asyncpg.LockNotAvailableError:
            if attempt == _LOCK_ATTEMPTS:
                raise
            _log.warning("A migration waits for a lock; trying again.", extra={"migration": migration.name, "attempt": attempt})
            await asyncio.sleep(attempt * 0.5)


async def _apply_alone(connection: Connection, migration: Migration, schema: str) -> None:
    # What an attempt that was cut off left behind: IF NOT EXISTS would take the half-built index for a good one.
    for index in await _invalid_indexes(connection, schema):
        await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
    await connection.execute("SET statement_timeout = 0; SET lock_timeout = 0")
    await connection.execute(migration.up)
    left = await _invalid_indexes(connection, schema)
    if left:
        raise MigrationError(f"{migration.name}.sql left an index that is not valid: {', '.join(left)}")
    await _enter(connection, migration, schema)


async def _invalid_indexes(connection: Connection, schema: str) -> list[str]:
    rows = await connection.fetch(
        "SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT i.indisvalid AND n.nspname = $1 AND c.relkind = 'i'",
        schema,
    )
    return [row["name"] for row in rows]


async def _enter(connection: Connection, migration: Migration, schema: str) -> None:
    await connection.execute(
        f"INSERT INTO {schema}.schema_migrations (version, checksum) VALUES ($1, $2)",  # noqa: S608 - an identifier, matched above
        migration.version,
        migration.checksum,
    )

"""Connections in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import asyncpg

from services.common.errors import ResourceUser
from services.common.postgres import Connection as Session
from services.common.sql import load_statements
from services.registry.domain.connection import Connection, PostgresSettings, Settings, SnowflakeSettings
from services.registry.domain.paging import Page, PageRequest
from services.registry.domain.secret import SecretKind, StoredSecret
from services.registry.storage.rows import from_json, page_of, to_json, unique_name

SQL = load_statements("services.registry.storage.sql", "connections.sql")
_SETTINGS: dict[str, type[Settings]] = {"snowflake": SnowflakeSettings, "postgres": PostgresSettings}


class ConnectionRepository:
    """The connections of one transaction's tenant."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, connection: Connection) -> None:
        """Raises NameTaken."""
        identity = (connection.id, connection.tenant_id, connection.name, connection.description, connection.settings.kind)
        times = (connection.create_time, connection.update_time)
        with unique_name("connections_name_key", connection.name):
            await self._session.execute(
                SQL.add_connection, *identity, _settings(connection), *_secret(connection), connection.revision, *times
            )

    async def get(self, connection_id: str) -> Connection | None:
        return _read(await self._session.fetchrow(SQL.get_connection, connection_id))

    async def find(self, name: str) -> Connection | None:
        return _read(await self._session.fetchrow(SQL.find_connection, name))

    async def lock(self, connection_id: str) -> Connection | None:
        """The connection, which nobody else changes, removes or refers to anew until the transaction ends."""
        return _read(await self._session.fetchrow(SQL.lock_connection, connection_id))

    async def list(self, name: str, page: PageRequest) -> Page[Connection]:
        """Oldest first; an empty name filters nothing."""
        rows = await self._session.fetch(SQL.list_connections, name, page.after[0] if page.after else None, page.size + 1)
        return page_of(rows, page.size, _connection_of, lambda connection: (connection.id,))

    async def first_users(self, limit: int) -> Sequence[ResourceUser]:
        """Those whose names come first in the alphabet."""
        rows = await self._session.fetch(SQL.first_connections, limit)
        return [ResourceUser("connection", str(row["id"]), row["name"]) for row in rows]

    async def update(self, connection: Connection) -> None:
        """Raises NameTaken."""
        stamp = (connection.revision, connection.update_time)
        with unique_name("connections_name_key", connection.name):
            await self._session.execute(
                SQL.update_connection,
                *(connection.id, connection.name, connection.description),
                *(_settings(connection), *_secret(connection), *stamp),
            )

    async def remove(self, connection_id: str) -> None:
        await self._session.execute(SQL.remove_connection, connection_id)


def _settings(connection: Connection) -> str | None:
    return to_json(asdict(connection.settings))


def _secret(connection: Connection) -> tuple[Any, ...]:
    secret = connection.secret
    return (secret.kind, secret.version, secret.sealed) if secret else (None, None, None)


def _read(row: asyncpg.Record | None) -> Connection | None:
    return None if row is None else _connection_of(row)


def _connection_of(row: asyncpg.Record) -> Connection:
    settings: dict[str, Any] = from_json(row["settings"])
    settings["granted_schemas"] = tuple(settings["granted_schemas"])
    secret = StoredSecret(SecretKind(row["secret_kind"]), row["secret_version"], row["sealed_secret"]) if row["secret_kind"] else None
    return Connection(
        id=str(row["id"]),
        tenant_id=str(row["tenant_id"]),
        name=row["name"],
        settings=_SETTINGS[row["kind"]](**settings),
        create_time=row["create_time"],
        update_time=row["update_time"],
        description=row["description"],
        secret=secret,
        revision=row["revision"],
    )

"""Brings a fresh Postgres to the state the services expect: the database, and per service a schema and its roles."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from chalkandduster.local.postgres import PostgresServer
from chalkandduster.local.roles import DATABASE, LOGIN_ROLES

SQL_FILE = Path(__file__).resolve().parents[2] / "deploy" / "postgres" / "bootstrap.sql"


def bootstrap(server: PostgresServer, role_passwords: Mapping[str, str], database: str = DATABASE) -> None:
    """Create what is missing in a running server; safe to repeat. Raises asyncpg.PostgresError or OSError."""
    asyncio.run(bootstrap_async(server, role_passwords, database))


async def bootstrap_async(server: PostgresServer, role_passwords: Mapping[str, str], database: str = DATABASE) -> None:
    """The same inside a running event loop."""
    connection = await asyncpg.connect(server.url("postgres"))
    try:
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", database):
            await connection.execute(f'CREATE DATABASE "{database}"')
    finally:
        await connection.close()
    connection = await asyncpg.connect(server.url(database))
    try:
        async with connection.transaction():
            for role in LOGIN_ROLES:
                # Local to the transaction: the passwords leave the session with it.
                await connection.execute("SELECT set_config($1, $2, true)", f"bootstrap.{role}_password", role_passwords[role])
            await connection.execute(SQL_FILE.read_text(encoding="utf-8"))
    finally:
        await connection.close()

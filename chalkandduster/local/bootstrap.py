"""Brings a fresh Postgres to the state the services expect: the database, and per service a schema and its roles."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from chalkandduster.local import secret_files
from chalkandduster.local.postgres import PostgresServer

DATABASE = "chalkandduster"
SERVICES_WITH_DATA = ("registry", "quality", "drift", "notifier")
LOGIN_ROLES = tuple(f"{service}_{kind}" for service in SERVICES_WITH_DATA for kind in ("owner", "app"))
SQL_FILE = Path(__file__).resolve().parents[2] / "deploy" / "postgres" / "bootstrap.sql"


def passwords(file: Path) -> dict[str, str]:
    """The passwords of the superuser and the login roles, made at the first call and kept in `file` (mode 0600)."""
    known: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    missing = [role for role in ("postgres", *LOGIN_ROLES) if role not in known]
    if missing:
        known |= {role: secrets.token_urlsafe(24) for role in missing}
        secret_files.write(file, json.dumps(known, indent=1))
    return known


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

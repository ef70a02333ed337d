"""Where a warehouse is and how to log in, opened for one evaluation. Never logged: `repr` hides the secrets."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SnowflakeConnection:
    """A Snowflake login with a password or a key pair (exactly one of them is set)."""

    account: str
    user: str
    warehouse: str
    database: str
    schema: str
    role: str
    host: str
    """Empty for the account's own host."""
    port: int
    """0 for the protocol's own port."""
    protocol: str
    """`https` or `http`."""
    password: str = field(default="", repr=False)
    private_key_pem: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class PostgresConnection:
    """A Postgres login with a password."""

    host: str
    port: int
    database: str
    schema: str
    user: str
    sslmode: str
    password: str = field(default="", repr=False)


ConnectionSpec = SnowflakeConnection | PostgresConnection

"""Connections: how to reach a warehouse."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import ClassVar

from services.registry.domain.secret import Secret, SecretKind, StoredSecret
from services.registry.domain.tenant import Tenant


@dataclass(frozen=True, slots=True)
class SnowflakeSettings:
    """Where a Snowflake account is, and as whom to log in."""

    account: str
    user: str
    database: str
    schema: str
    warehouse: str = ""
    role: str = ""
    host: str = ""
    """Empty for the account's own host."""
    port: int = 0
    """0 for the protocol's own port."""
    protocol: str = "https"
    granted_schemas: tuple[str, ...] = ()

    kind: ClassVar[str] = "snowflake"

    @property
    def effective_port(self) -> int:
        """The port that is dialled."""
        return self.port or (80 if self.protocol == "http" else 443)

    @property
    def login_target(self) -> tuple[object, ...]:
        """What decides who gets to see the secret: a change of it asks for the secret again."""
        return (self.account.lower(), self.user, self.host.lower(), self.effective_port, self.protocol)


# From the one that lets anybody in between read along to the one that lets nobody.
_SSLMODE_STRENGTH = {"disable": 0, "prefer": 1, "require": 2, "verify-ca": 3, "verify-full": 4}


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    """Where a Postgres database is, and as whom to log in."""

    host: str
    user: str
    database: str
    schema: str = "public"
    port: int = 5432
    sslmode: str = "require"
    granted_schemas: tuple[str, ...] = ()

    kind: ClassVar[str] = "postgres"

    @property
    def login_target(self) -> tuple[object, ...]:
        """What decides who gets to see the secret: a change of it asks for the secret again."""
        return (self.host.lower(), self.user, self.port)

    def is_weaker_than(self, other: PostgresSettings) -> bool:
        """Whether somebody in between could read what `other` protects."""
        return _SSLMODE_STRENGTH[self.sslmode] < _SSLMODE_STRENGTH[other.sslmode]


Settings = SnowflakeSettings | PostgresSettings


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection as it is kept."""

    id: str
    tenant_id: str
    name: str
    settings: Settings
    create_time: datetime
    update_time: datetime
    description: str = ""
    secret: StoredSecret | None = None
    revision: int = 1
    """Counts the changes; the etag is made of it."""

    @property
    def has_password(self) -> bool:
        """Whether a password is stored."""
        return self.secret is not None and self.secret.kind is SecretKind.PASSWORD

    @property
    def has_private_key(self) -> bool:
        """Whether a private key is stored."""
        return self.secret is not None and self.secret.kind is SecretKind.PRIVATE_KEY

    @property
    def secret_version(self) -> int:
        """Version of the stored secret, 0 when there is none."""
        return self.secret.version if self.secret else 0

    def login_revision(self) -> str:
        """Changes exactly when something changes that a live login depends on: 32 hexadecimal digits."""
        settings = asdict(self.settings)
        # What checks may read is held against each statement, not against the login.
        del settings["granted_schemas"]
        text = json.dumps([self.id, self.settings.kind, settings, self.secret_version], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class ConnectionDraft:
    """A connection as a caller wants it. `secret` is None when none was given."""

    name: str
    description: str
    settings: Settings
    secret: Secret | None


@dataclass(frozen=True, slots=True)
class OpenedConnection:
    """A connection with its secret in the open."""

    connection: Connection
    secret: Secret | None


@dataclass(frozen=True, slots=True)
class ResolvedConnection:
    """All that a service needs to log in, and the tenant that it does so for."""

    opened: OpenedConnection
    tenant: Tenant


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a warehouse said to a login."""

    ok: bool
    latency_ms: float
    server_version: str = ""
    error: str = ""
    """One sentence without secrets; empty when `ok`."""

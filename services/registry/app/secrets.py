"""Secrets of connections, sealed and opened; and the addresses that they are sent to."""

from __future__ import annotations

from collections.abc import Sequence

from services.registry.app.ports import Egress, Sealer
from services.registry.domain.connection import Connection, OpenedConnection, PostgresSettings, Settings
from services.registry.domain.secret import Secret, StoredSecret


class ConnectionSecrets:
    """Seals a secret for its tenant, connection and version: it opens nowhere else."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, tenant_id: str, connection_id: str, version: int, secret: Secret) -> StoredSecret:
        """The secret as it is kept."""
        return StoredSecret(secret.kind, version, self._sealer.seal(tenant_id, _name(connection_id, version), secret.value.encode()))

    def open(self, connection: Connection) -> OpenedConnection:
        """The connection with its secret in the open."""
        stored = connection.secret
        if stored is None:
            return OpenedConnection(connection, None)
        plaintext = self._sealer.open(connection.tenant_id, _name(connection.id, stored.version), stored.sealed)
        return OpenedConnection(connection, Secret(stored.kind, plaintext.decode()))


def _name(connection_id: str, version: int) -> str:
    return f"connection/{connection_id}/{version}"


async def check_egress(egress: Egress, settings: Settings) -> Sequence[str]:
    """The addresses of the host of `settings`; none for a Snowflake account's own host, which is Snowflake's.

    Raises EgressDenied when the host may not be dialled.
    """
    if not settings.host:
        return ()
    port = settings.port if isinstance(settings, PostgresSettings) else settings.effective_port
    return await egress.check(settings.host, port, f"connection.{settings.kind}.host")

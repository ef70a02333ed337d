"""Opening connections for the services that log in to warehouses."""

from __future__ import annotations

from services.registry.app.ports import Egress, Sealer, Store
from services.registry.app.secrets import ConnectionSecrets, check_egress
from services.registry.domain.caller import Caller
from services.registry.domain.connection import ResolvedConnection
from services.registry.domain.errors import ConnectionNotFound, TenantNotFound


class ResolveConnection:
    """Answers a connection with its secret in the open."""

    def __init__(self, store: Store, egress: Egress, sealer: Sealer) -> None:
        self._store = store
        self._egress = egress
        self._secrets = ConnectionSecrets(sealer)

    async def execute(self, caller: Caller, connection_id: str, name: str) -> ResolvedConnection:
        """The connection with this id, or with this name when the id is empty.

        Raises ConnectionNotFound, TenantNotFound, and EgressDenied when its host may not be dialled any more.
        """
        async with self._store.tenant(caller.tenant) as tx:
            tenant = await tx.tenants.get(caller.tenant)
            connection = await (tx.connections.get(connection_id) if connection_id else tx.connections.find(name))
        if tenant is None:
            raise TenantNotFound(tenant=caller.tenant)
        if connection is None:
            raise ConnectionNotFound(connection=connection_id or name)
        await check_egress(self._egress, connection.settings)
        return ResolvedConnection(self._secrets.open(connection), tenant)

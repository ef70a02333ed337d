"""Trying connections out."""

from __future__ import annotations

from services.common.errors import EgressDenied
from services.registry.app.found import found_connection
from services.registry.app.ports import Egress, Sealer, Store, WarehouseProbe
from services.registry.app.secrets import ConnectionSecrets, check_egress
from services.registry.app.tenants import hold_writable_tenant
from services.registry.domain.caller import Caller
from services.registry.domain.connection import ProbeResult


class TestConnection:
    """Logs in to the warehouse and runs a statement."""

    # The name is the verb a user says; pytest must not take it for a test.
    __test__ = False

    def __init__(self, store: Store, egress: Egress, sealer: Sealer, probe: WarehouseProbe) -> None:
        self._store = store
        self._egress = egress
        self._secrets = ConnectionSecrets(sealer)
        self._probe = probe

    async def execute(self, caller: Caller, connection_id: str) -> ProbeResult:
        """What the warehouse said; a refusal is an answer, not an error. Raises ConnectionNotFound and TenantSuspended."""
        async with self._store.tenant(caller.tenant) as tx:
            await hold_writable_tenant(tx, caller)
            connection = found_connection(await tx.connections.get(connection_id), connection_id)
        try:
            # Again, not only on save: names resolve to other addresses by now, and the policy may be another.
            addresses = await check_egress(self._egress, connection.settings)
        except EgressDenied as denied:
            return ProbeResult(ok=False, latency_ms=0.0, error=denied.message)
        return await self._probe.probe(self._secrets.open(connection), addresses)

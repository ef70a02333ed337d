"""Answering all that a run needs."""

from __future__ import annotations

from services.registry.app.ports import Egress, Sealer, Store
from services.registry.app.secrets import ConnectionSecrets, check_egress
from services.registry.domain.caller import Caller
from services.registry.domain.connection import ResolvedConnection
from services.registry.domain.dataset import Dataset
from services.registry.domain.errors import ConnectionNotFound, DatasetNotFound, TenantNotFound


class ResolveDataset:
    """Answers a dataset and its connection, the secret in the open."""

    def __init__(self, store: Store, egress: Egress, sealer: Sealer) -> None:
        self._store = store
        self._egress = egress
        self._secrets = ConnectionSecrets(sealer)

    async def execute(self, caller: Caller, dataset_id: str) -> tuple[Dataset, ResolvedConnection]:
        """The dataset and its connection; of a suspended tenant too, which the caller can tell by its state.

        Raises DatasetNotFound, TenantNotFound, and EgressDenied when the host may not be dialled any more.
        """
        async with self._store.tenant(caller.tenant) as tx:
            tenant = await tx.tenants.get(caller.tenant)
            dataset = await tx.datasets.get(dataset_id)
            connection = await tx.connections.get(dataset.content.connection_id) if dataset else None
        if tenant is None:
            raise TenantNotFound(tenant=caller.tenant)
        if dataset is None:
            raise DatasetNotFound(dataset=dataset_id)
        if connection is None:
            raise ConnectionNotFound(connection=dataset.content.connection_id)
        await check_egress(self._egress, connection.settings)
        return dataset, ResolvedConnection(self._secrets.open(connection), tenant)

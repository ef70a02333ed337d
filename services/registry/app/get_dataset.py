"""Reading one dataset."""

from __future__ import annotations

from services.registry.app.found import found_dataset
from services.registry.app.ports import Store
from services.registry.domain.caller import Caller
from services.registry.domain.dataset import Dataset


class GetDataset:
    """Answers one dataset."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def execute(self, caller: Caller, dataset_id: str) -> Dataset:
        """The dataset. Raises DatasetNotFound."""
        async with self._store.tenant(caller.tenant) as tx:
            return found_dataset(await tx.datasets.get(dataset_id), dataset_id)

"""Listing datasets."""

from __future__ import annotations

from services.registry.app.ports import Store
from services.registry.domain.caller import Caller
from services.registry.domain.dataset import Dataset, DatasetFilter
from services.registry.domain.paging import Page, PageRequest


class ListDatasets:
    """Lists the datasets of the caller's tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def execute(self, caller: Caller, wanted: DatasetFilter, page: PageRequest) -> Page[Dataset]:
        """Datasets that match, oldest first."""
        async with self._store.tenant(caller.tenant) as tx:
            return await tx.datasets.list(wanted, page)

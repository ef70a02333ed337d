"""Answers the last backfill of a dataset."""

from __future__ import annotations

from services.drift.app.ports import BackfillStore
from services.drift.domain.backfill import Backfill
from services.drift.domain.errors import BackfillNotFound


class GetBackfill:
    """Answers it with its progress."""

    def __init__(self, backfills: BackfillStore) -> None:
        self._backfills = backfills

    async def execute(self, tenant_id: str, dataset_id: str) -> Backfill:
        """Raises BackfillNotFound."""
        found = await self._backfills.last(tenant_id, dataset_id)
        if found is None:
            raise BackfillNotFound(dataset=dataset_id)
        return found

"""Cancels the backfill of a dataset."""

from __future__ import annotations

from services.drift.app.actor import Actor
from services.drift.app.ports import BackfillStore
from services.drift.domain.backfill import Backfill


class CancelBackfill:
    """Ends a queued one; asks the worker of a running one to stop."""

    def __init__(self, backfills: BackfillStore) -> None:
        self._backfills = backfills

    async def execute(self, dataset_id: str, actor: Actor) -> Backfill:
        """Raises BackfillNotFound and BackfillEnded."""
        event = actor.did("backfill", dataset_id, after={"dataset_id": dataset_id, "cancel_requested": True})
        return await self._backfills.cancel(actor.tenant_id, dataset_id, event)

"""Removes the schedule of a dataset."""

from __future__ import annotations

from services.quality.app.actor import Actor
from services.quality.app.ports import ScheduleStore


class DeleteSchedule:
    """Runs that it made stay."""

    def __init__(self, schedules: ScheduleStore) -> None:
        self._schedules = schedules

    async def execute(self, dataset_id: str, etag: str, actor: Actor) -> None:
        """Raises ScheduleNotFound and EtagMismatch."""
        await self._schedules.delete(actor.tenant_id, dataset_id, etag or None, actor.did("schedule", dataset_id))

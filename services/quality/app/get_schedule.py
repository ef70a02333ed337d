"""Answers the schedule of a dataset."""

from __future__ import annotations

from services.quality.app.ports import ScheduleStore
from services.quality.domain.errors import ScheduleNotFound
from services.quality.domain.schedule import Schedule


class GetSchedule:
    """Answers the schedule of a dataset."""

    def __init__(self, schedules: ScheduleStore) -> None:
        self._schedules = schedules

    async def execute(self, tenant_id: str, dataset_id: str) -> Schedule:
        """Raises ScheduleNotFound."""
        schedule = await self._schedules.get(tenant_id, dataset_id)
        if schedule is None:
            raise ScheduleNotFound(dataset=dataset_id)
        return schedule

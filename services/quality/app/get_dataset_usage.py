"""Answers what uses a dataset, so that the registry can refuse to delete it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.quality.app.ports import RunStore, ScheduleStore

_RUNS_NAMED = 10


@dataclass(frozen=True, slots=True)
class DatasetUsage:
    """What would be left hanging without the dataset."""

    has_schedule: bool
    active_run_ids: Sequence[str]


class GetDatasetUsage:
    """Answers for a dataset that nobody heard of, too: nothing uses it."""

    def __init__(self, runs: RunStore, schedules: ScheduleStore) -> None:
        self._runs = runs
        self._schedules = schedules

    async def execute(self, tenant_id: str, dataset_id: str) -> DatasetUsage:
        schedule = await self._schedules.get(tenant_id, dataset_id)
        active = await self._runs.active_run_ids(tenant_id, dataset_id, _RUNS_NAMED)
        return DatasetUsage(schedule is not None, active)

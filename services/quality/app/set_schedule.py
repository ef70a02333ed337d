"""Sets the schedule of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.quality.app.actor import Actor
from services.quality.app.ports import Registry, ScheduleStore
from services.quality.domain.errors import TenantSuspended
from services.quality.domain.kinds import KindChoice
from services.quality.domain.run import RunKind
from services.quality.domain.schedule import NewSchedule, Schedule, next_fire_time


@dataclass(frozen=True, slots=True)
class ScheduleCommand:
    """What the caller asked for."""

    dataset_id: str
    actor: Actor
    cron: str
    timezone: str
    """Empty: UTC."""
    paused: bool
    kinds: Sequence[RunKind]
    etag: str
    """Empty: replace whatever is there."""


class SetSchedule:
    """Creates or replaces; it fires for the first time after now, whatever an earlier schedule missed."""

    def __init__(self, schedules: ScheduleStore, registry: Registry, kinds: KindChoice, now: Callable[[], datetime]) -> None:
        self._schedules = schedules
        self._registry = registry
        self._kinds = kinds
        self._now = now

    async def execute(self, command: ScheduleCommand) -> Schedule:
        """Raises InvalidSchedule, DatasetNotFound, NothingToRun, TenantSuspended and EtagMismatch."""
        timezone = command.timezone or "UTC"
        # Also when paused: an expression that can never fire should not wait for its resumption to be found out.
        first = next_fire_time(command.cron, timezone, self._now())
        dataset = await self._registry.dataset(command.actor.tenant_id, command.dataset_id)
        if not dataset.tenant_active:
            raise TenantSuspended
        # An empty list stays empty: what the dataset is set up for is looked up each time that it fires.
        kinds = self._kinds.choose(dataset, command.kinds) if command.kinds else ()
        schedule = NewSchedule(
            tenant_id=command.actor.tenant_id,
            dataset_id=dataset.id,
            dataset_name=dataset.name,
            cron=command.cron,
            timezone=timezone,
            paused=command.paused,
            kinds=kinds,
            next_run_time=None if command.paused else first,
        )
        after = {"cron": schedule.cron, "timezone": timezone, "paused": schedule.paused, "kinds": list(schedule.kinds)}
        event = command.actor.did("schedule", dataset.id, after=after)
        return await self._schedules.set(schedule, command.etag or None, event)

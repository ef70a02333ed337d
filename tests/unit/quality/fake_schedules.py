"""Schedules in memory, over a FakeStore."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from services.common.audit import AuditEvent
from services.common.errors import EtagMismatch
from services.quality.app.ports import FireReport, MessageKind
from services.quality.domain.errors import ScheduleNotFound
from services.quality.domain.schedule import DueSchedule, FiredSchedule, NewSchedule, Schedule
from tests.unit.quality.fake_store import FakeStore


@dataclass
class FakeSchedules:
    """ScheduleStore over a FakeStore."""

    store: FakeStore

    async def get(self, tenant_id: str, dataset_id: str) -> Schedule | None:
        return self.store.schedules.get((tenant_id, dataset_id))

    async def set(self, schedule: NewSchedule, revision: str | None, event: AuditEvent) -> Schedule:
        key = (schedule.tenant_id, schedule.dataset_id)
        present = self.store.schedules.get(key)
        if revision is not None and (present is None or present.etag != revision):
            raise EtagMismatch(dataset=schedule.dataset_id)
        self.store.schedules[key] = Schedule(
            *key,
            dataset_name=schedule.dataset_name,
            cron=schedule.cron,
            timezone=schedule.timezone,
            paused=schedule.paused,
            kinds=schedule.kinds,
            next_run_time=schedule.next_run_time,
            last_run_time=present.last_run_time if present else None,
            update_time=self.store.now(),
            revision=present.revision + 1 if present else 1,
        )
        self.store._message(MessageKind.AUDIT, schedule.tenant_id, {"action": event.action})
        return self.store.schedules[key]

    async def delete(self, tenant_id: str, dataset_id: str, revision: str | None, event: AuditEvent) -> None:
        present = await self.get(tenant_id, dataset_id)
        if present is None:
            raise ScheduleNotFound(dataset=dataset_id)
        if revision not in (None, present.etag):
            raise EtagMismatch(dataset=dataset_id)
        del self.store.schedules[(tenant_id, dataset_id)]
        self.store._message(MessageKind.AUDIT, tenant_id, {"action": event.action})

    async def pause(self, tenant_id: str, dataset_id: str) -> bool:
        present = await self.get(tenant_id, dataset_id)
        if present is None or present.paused:
            return False
        self.store.schedules[(tenant_id, dataset_id)] = replace(present, paused=True, next_run_time=None, revision=present.revision + 1)
        return True

    async def fire_due(self, limit: int, decide: Callable[[DueSchedule], FiredSchedule]) -> FireReport:
        return await self.store.fire_due(limit, decide)

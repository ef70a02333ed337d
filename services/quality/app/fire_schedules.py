"""Queues the runs of schedules whose time has come."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from services.quality.app.ports import ScheduleStore
from services.quality.domain.errors import InvalidSchedule
from services.quality.domain.kinds import KindChoice
from services.quality.domain.schedule import DueSchedule, FiredSchedule, next_fire_time

_log = logging.getLogger(__name__)
_BATCH = 200


class FireSchedules:
    """Any number of schedulers may run it: each due time makes one run. Times that were missed make one run together."""

    def __init__(self, schedules: ScheduleStore, kinds: KindChoice, now: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._schedules = schedules
        self._kinds = kinds
        self._now = now
        self._new_id = new_id

    async def execute(self) -> int:
        """Answers how many runs it queued."""
        queued = 0
        while True:
            report = await self._schedules.fire_due(_BATCH, self._decide)
            queued += len(report.queued_run_ids)
            for schedule in report.switched_off:
                _log.warning(
                    "schedule switched off: it cannot fire any more",
                    extra={"dataset_id": schedule.dataset_id, "cron": schedule.cron, "timezone": schedule.timezone},
                )
            if report.due < _BATCH:
                return queued

    def _decide(self, due: DueSchedule) -> FiredSchedule:
        return FiredSchedule(due, self._new_id(), due.kinds or self._kinds.available(), self._next_time(due))

    def _next_time(self, due: DueSchedule) -> datetime | None:
        try:
            # From now, not from the due time: what was missed in between is made up for by this one run.
            return next_fire_time(due.cron, due.timezone, max(self._now(), due.due_time))
        except InvalidSchedule:
            # A zone that the time zone data no longer knows, or the last date of the expression.
            return None

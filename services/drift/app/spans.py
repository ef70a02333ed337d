"""Which partitions to look at: what the clock says is complete, what was judged already, and how late the table usually is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.drift.app.judge_profiles import NEVER
from services.drift.app.plan_profile import Span
from services.drift.domain.periods import count_between, local_time, shifted, start_of
from services.drift.domain.record import Watch
from services.drift.domain.watch_settings import Partitioning

MAX_CATCH_UP = 60
"""Most partitions that one evaluation catches up with; older ones are a backfill's."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The newest complete partition by the clock, as a local start."""

    newest: datetime

    @classmethod
    def at(cls, now: datetime, partition: Partitioning) -> Clock:
        local = local_time(now, partition.timezone) - timedelta(hours=partition.delay_hours)
        return cls(shifted(start_of(local, partition.grain), partition.grain, -1))

    def lag(self, newest_data: datetime | None, partition: Partitioning) -> int:
        """Partitions that the table's data is behind the clock; 0 without data."""
        if newest_data is None:
            return 0
        return max(0, count_between(start_of(newest_data, partition.grain), self.newest, partition.grain))


def next_span(watch: Watch, clock: Clock, partition: Partitioning, lag: int) -> Span:
    """What to judge now: all complete partitions after the last one, or, when there is none, the last one again.

    Data may be there earlier than usual: what lies behind the expected end is judged if it has rows. A clock that is behind
    leads to the last partition again, never backwards.
    """
    grain = partition.grain
    target = shifted(clock.newest, grain, -lag)
    end = shifted(clock.newest, grain, 1)
    if watch.period == NEVER:
        return Span(target, end, shifted(target, grain, 1))
    last = local_time(watch.period, partition.timezone)
    if target <= last:
        return Span(last, max(end, shifted(last, grain, 1)), shifted(last, grain, 1))
    first = max(shifted(last, grain, 1), shifted(target, grain, 1 - MAX_CATCH_UP))
    return Span(first, end, shifted(target, grain, 1))


def past_span(watch: Watch | None, clock: Clock, partition: Partitioning, extent: tuple[datetime, datetime], count: int) -> Span | None:
    """The partitions before the newest that is, or will be, judged by an evaluation: at most `count`, none before the first row."""
    grain = partition.grain
    by_data = shifted(clock.newest, grain, -clock.lag(extent[1], partition))
    end = by_data if watch is None else local_time(watch.period, partition.timezone)
    first = max(shifted(end, grain, -count), start_of(extent[0], grain))
    return Span(first, end, end) if first < end else None

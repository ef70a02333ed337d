"""Snowflake's Time Travel: a table as it was at an earlier moment.

https://docs.snowflake.com/en/sql-reference/constructs/at-before: `FROM t AT(TIMESTAMP => …)`, before any SAMPLE, for as many days
as the table's DATA_RETENTION_TIME_IN_DAYS says. The emulator of the local suite does not know it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from services.drift.domain.periods import shifted, start_of
from services.drift.domain.watch_settings import WatchSettings
from services.drift.profiling.dialects import SnowflakeDialect
from services.drift.profiling.plan import Grain


class TimeTravelDialect(SnowflakeDialect):
    """Every statement reads the table as it was at one moment."""

    def __init__(self, moment: datetime) -> None:
        """`moment` with its offset."""
        self._moment = moment

    def sample(self, share: float) -> str:
        """The clauses after the table's name."""
        return f" AT(TIMESTAMP => '{self._moment.isoformat(timespec='seconds')}'::TIMESTAMP_TZ)" + super().sample(share)


def past_moments(local_now: datetime, settings: WatchSettings, retention_days: int, count: int) -> Iterator[datetime]:
    """Local moments to look at, newest first: the ends of earlier periods that the table's retention still reaches."""
    grain = settings.grain
    oldest = shifted(local_now, Grain.DAY, -retention_days)
    end = start_of(local_now, grain)
    for _ in range(count):
        if end <= oldest:
            return
        yield end
        end = shifted(end, grain, -1)

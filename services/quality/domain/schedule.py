"""When a dataset is run by itself: cron expressions read in a time zone, right across clock changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from services.quality.domain.errors import InvalidSchedule
from services.quality.domain.run import RunKind

_FIELDS = 5
_HOURS_OF_A_DAY = frozenset(range(24))


@dataclass(frozen=True, slots=True)
class Schedule:
    """A dataset's schedule as stored."""

    tenant_id: str
    dataset_id: str
    dataset_name: str
    cron: str
    timezone: str
    paused: bool
    kinds: tuple[RunKind, ...]
    """Empty: all that the dataset is set up for."""
    next_run_time: datetime | None
    """None while it is paused."""
    last_run_time: datetime | None
    update_time: datetime
    revision: int
    """1 for the first; one more with every change by a user."""

    @property
    def etag(self) -> str:
        return str(self.revision)


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """A schedule to be set; `next_run_time` is None when paused."""

    tenant_id: str
    dataset_id: str
    dataset_name: str
    cron: str
    timezone: str
    paused: bool
    kinds: tuple[RunKind, ...]
    next_run_time: datetime | None


@dataclass(frozen=True, slots=True)
class DueSchedule:
    """A schedule whose time has come, locked by the scheduler that read it."""

    tenant_id: str
    dataset_id: str
    dataset_name: str
    cron: str
    timezone: str
    kinds: tuple[RunKind, ...]
    due_time: datetime


@dataclass(frozen=True, slots=True)
class FiredSchedule:
    """What a scheduler decided about a due schedule: the run it makes and when it is due again."""

    due: DueSchedule
    run_id: str
    kinds: tuple[RunKind, ...]
    next_run_time: datetime | None
    """None when it cannot fire any more: it is paused then."""


def next_fire_time(cron: str, timezone: str, after: datetime) -> datetime:
    """Answer the first time after `after` (aware) that `cron` fires, in UTC.

    An expression that names hours fires once for a time that a clock change repeats, and right after the change for a
    time that it skips; one that fires in every hour goes by elapsed time, as Debian's cron does.

    Raises InvalidSchedule when the expression or the zone is not valid, or when it does not fire within 50 years.
    """
    zone = _zone(timezone)
    try:
        times = CronSim(_normalised(cron), after.astimezone(zone))
        for moment in times:
            # Inside a repeated hour the iteration starts over at its first pass, which lies in the past.
            if moment.astimezone(UTC) > after:
                return moment.astimezone(UTC)
    # Besides its own error the parser lets some malformed steps (`1L/2`) fall through to these.
    except (CronSimError, AssertionError, TypeError, ValueError, OverflowError) as error:
        raise InvalidSchedule.for_cron(_expected(cron, error)) from error
    raise InvalidSchedule.for_cron("the expression never fires")


def cron_of(parts: Sequence[str]) -> str:
    """Answer the fields with single spaces between them."""
    return " ".join(parts)


def _normalised(cron: str) -> str:
    """Answer the expression so that the parser takes its clock-change rule from the hours alone.

    cronsim (as Debian's cron) goes by elapsed time when minute or hour starts with a star. That would run `*/5 1 * * *`
    twice in a repeated hour and drop `0 */2 * * *` in a skipped one, so only expressions for every hour keep the star.
    """
    parts = cron.split()
    if len(parts) != _FIELDS:
        raise CronSimError("Wrong number of fields")
    minute, hour = parts[0], parts[1]
    every_hour = CronSim(f"0 {hour} * * *", datetime(2024, 1, 1, tzinfo=UTC)).hours == _HOURS_OF_A_DAY
    if every_hour:
        return cron_of([minute, "*", *parts[2:]])
    return cron_of([minute.replace("*", "0-59"), hour.replace("*", "0-23"), *parts[2:]])


def _expected(cron: str, error: Exception) -> str:
    if isinstance(error, CronSimError) and "number of fields" in str(error):
        return "expected five fields (minute, hour, day of month, month, day of week), found " + str(len(cron.split()))
    if isinstance(error, CronSimError) and str(error).startswith("Bad "):
        field = str(error).removeprefix("Bad ")
        return f"the {field} field is not valid" + (", or no such day exists" if field == "day-of-month" else "")
    return "it is not a cron expression of five fields"


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    # `localtime` is whatever zone the machine has, and `Factory` a placeholder: neither says when.
    return frozenset(available_timezones()) - {"localtime", "Factory"}


def _zone(name: str) -> ZoneInfo:
    # Names are looked up in the list first: ZoneInfo itself turns a name into a path.
    if name not in _zone_names():
        raise InvalidSchedule.for_timezone()
    return ZoneInfo(name)

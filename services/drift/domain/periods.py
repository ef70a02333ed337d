"""Periods of time: where hours, days, weeks and months begin in a zone, clock changes included.

Warehouses truncate in local time, so a period is named by its local start without an offset: `2026-03-29`, `2026-03-29T04:00:00`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from services.drift.profiling.plan import Grain

_STEPS = {Grain.HOUR: timedelta(hours=1), Grain.DAY: timedelta(days=1), Grain.WEEK: timedelta(weeks=1)}


def start_of(local: datetime, grain: Grain) -> datetime:
    """Start of the period that holds this local time; weeks begin on Monday.

    >>> start_of(datetime(2026, 3, 29, 14, 30), Grain.WEEK)
    datetime.datetime(2026, 3, 23, 0, 0)
    """
    if grain is Grain.HOUR:
        return local.replace(minute=0, second=0, microsecond=0)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if grain is Grain.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if grain is Grain.MONTH else day


def shifted(start: datetime, grain: Grain, count: int) -> datetime:
    """Start of the period `count` later (earlier when negative), within the years that a date can have.

    >>> shifted(datetime(2026, 1, 1), Grain.MONTH, -1)
    datetime.datetime(2025, 12, 1, 0, 0)
    """
    try:
        if grain is not Grain.MONTH:
            return start + count * _STEPS[grain]
        months = start.year * 12 + start.month - 1 + count
        return start.replace(year=months // 12, month=months % 12 + 1)
    except (OverflowError, ValueError):
        return datetime.max if count > 0 else datetime.min  # noqa: DTZ901 -- local times have no offset here


def periods_between(first: datetime, end: datetime, grain: Grain) -> Iterator[datetime]:
    """Starts from `first` until before `end`."""
    start = first
    while start < end:
        yield start
        start = shifted(start, grain, 1)


def count_between(earlier: datetime, later: datetime, grain: Grain) -> int:
    """Periods from one start to another; negative when `later` is the earlier one."""
    if grain is Grain.MONTH:
        return (later.year - earlier.year) * 12 + later.month - earlier.month
    return round((later - earlier) / _STEPS[grain])


def local_time(moment: datetime, zone: str) -> datetime:
    """An instant as clocks in the zone show it, without an offset."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def instant(local: datetime, zone: str) -> datetime:
    """The UTC instant of a local time; of a repeated one the first, of a skipped one the moment of the change."""
    try:
        return local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
    except OverflowError:
        return local.replace(tzinfo=UTC)


def is_regular(start: datetime, grain: Grain, zone: str) -> bool:
    """False for an hour that a clock change skips or repeats: its number of rows says nothing.

    >>> [is_regular(datetime(2026, 3, 29, hour), Grain.HOUR, "Europe/Vienna") for hour in (1, 2, 3)]
    [True, False, True]
    """
    if grain is not Grain.HOUR:
        return True
    aware = start.replace(tzinfo=ZoneInfo(zone))
    return aware.utcoffset() == aware.replace(fold=1).utcoffset()


def label(start: datetime, grain: Grain) -> str:
    """The name of a period: a date, and for hours a time too."""
    return start.isoformat() if grain is Grain.HOUR else start.date().isoformat()


def parse_label(text: str) -> datetime:
    """The local start that a name says; an offset is dropped. Raises ValueError when it is no time."""
    return datetime.fromisoformat(text).replace(tzinfo=None)

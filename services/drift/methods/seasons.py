"""What repeats in time: classes of moments, and public holidays of a named country."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

import holidays


def primary_class(moment: dt.datetime, step: float) -> int:
    """Hour of week for steps below a day, weekday for days, one class for weeks and longer. `step` in seconds."""
    if step < 86_400:
        return moment.weekday() * 24 + moment.hour
    return moment.weekday() if step < 6 * 86_400 else 0


def secondary_class(moment: dt.datetime, step: float) -> int:
    """A coarser class that is known sooner: hour of day on working days or on weekends; weekend or not for days."""
    weekend = int(moment.weekday() >= 5)
    if step < 86_400:
        return weekend * 24 + moment.hour
    return weekend if step < 6 * 86_400 else 0


@lru_cache(maxsize=512)
def _holidays_of(country: str, year: int) -> dict[dt.date, str]:
    """`country` may name a subdivision: `AT-9`. A code that nobody knows has no holidays."""
    code, _, subdivision = country.partition("-")
    try:
        return dict(holidays.country_holidays(code, subdiv=subdivision or None, years=year))
    except NotImplementedError:
        return {}


def holiday_name(country: str | None, day: dt.date) -> str | None:
    """Name of the public holiday, the observed day counting as the day itself; None without a country or a holiday.

    >>> holiday_name("US", dt.date(2013, 7, 4))
    'Independence Day'
    """
    if not country:
        return None
    name = _holidays_of(country, day.year).get(day)
    return name.split(" (")[0] if name else None


def near_holiday(country: str | None, day: dt.date) -> bool:
    """True on the day before or after a public holiday, and in the week from Christmas to New Year where those are holidays."""
    if not country:
        return False
    return any(holiday_name(country, day + dt.timedelta(days=d)) for d in (-1, 1))

"""Days of a made-up shop, profiled in Python as the SQL would: small, quick, and the same on every run."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from services.drift.domain.profile import QUANTILE_LEVELS, ColumnKind, ColumnProfile, Profile

START = dt.date(2024, 1, 1)
EDGES = tuple(float(e) for e in (0, 2, 4, 6, 8, 10, 13, 16, 20, 25, 32, 40, 60, 200, 1000))
COUNTRIES = ("AT", "CH", "DE", "FR", "IT")


@dataclass
class Day:
    """Rows of one day; a test changes them before they are profiled."""

    amount: list[float | None]
    country: list[str | None]
    created: list[float | None]
    """Seconds after the day's start."""
    copies: int = 0
    extra: list[ColumnProfile] = field(default_factory=list)


def make_day(number: int, rows: int = 400) -> Day:
    rng = np.random.default_rng(1000 + number)
    amount = np.round(rng.gamma(2.0, 6.0, rows), 2)
    country = rng.choice(COUNTRIES, rows, p=(0.4, 0.25, 0.2, 0.1, 0.05))
    created = np.sort(rng.integers(8 * 3600, 20 * 3600, rows))
    return Day([float(a) for a in amount], [str(c) for c in country], [float(c) for c in created])


def number_column(name: str, values: Sequence[float | None], edges: tuple[float, ...] = EDGES) -> ColumnProfile:
    known = np.array([v for v in values if v is not None], float)
    finite = known[np.isfinite(known)]
    top = Counter(str(float(v)) for v in known).most_common(40)
    counts = {
        "finite": len(finite),
        "zero": int((known == 0).sum()),
        "negative": int((known < 0).sum()),
        "integer": int((finite == np.floor(finite)).sum()),
        "tenth": int((np.abs(finite * 10 - np.round(finite * 10)) < 1e-6).sum()),
    }
    some = len(finite) > 0
    bins = np.searchsorted(edges, finite, side="left") if some else []
    return ColumnProfile(
        name,
        ColumnKind.NUMBER,
        nulls=len(values) - len(known),
        distinct=len(set(known.tolist())),
        low=float(finite.min()) if some else None,
        high=float(finite.max()) if some else None,
        mean=float(finite.mean()) if some else None,
        stddev=float(finite.std(ddof=1)) if len(finite) > 1 else None,
        quantiles=tuple(float(q) for q in np.quantile(finite, QUANTILE_LEVELS)) if some else (),
        edges=edges,
        histogram=tuple(int(n) for n in np.bincount(bins, minlength=len(edges) + 1)) if some else (),
        counts=counts,
        top=tuple(top),
    )


def text_column(name: str, values: Sequence[str | None]) -> ColumnProfile:
    known = [v for v in values if v is not None]
    lengths = np.array([len(v) for v in known], float)
    some = len(known) > 0
    counts = {
        "empty": sum(v == "" for v in known),
        "number": sum(v.isdigit() for v in known),
        "date": 0,
        "upper": sum(v == v.upper() for v in known),
        "lower": sum(v == v.lower() for v in known),
        "trimmed": sum(v == v.strip() for v in known),
        "digit_first": sum(v[:1].isdigit() for v in known),
        "zero_first": sum(v[:1] == "0" for v in known),
        "plain": sum(v.isascii() for v in known),
        "quoted": sum(v[:1] in ("'", '"') for v in known),
    }
    return ColumnProfile(
        name,
        ColumnKind.TEXT,
        nulls=len(values) - len(known),
        distinct=len(set(known)),
        low=float(lengths.min()) if some else None,
        high=float(lengths.max()) if some else None,
        mean=float(lengths.mean()) if some else None,
        stddev=float(lengths.std(ddof=1)) if len(known) > 1 else None,
        counts=counts,
        top=tuple(Counter(known).most_common(40)),
    )


def time_column(name: str, offsets: Sequence[float | None], day: dt.date) -> ColumnProfile:
    known = np.array([v for v in offsets if v is not None], float)
    some = len(known) > 0
    anchor = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()
    hours = np.bincount((known // 3600 % 24).astype(int), minlength=24) if some else np.zeros(24, int)
    return ColumnProfile(
        name,
        ColumnKind.TIME,
        nulls=len(offsets) - len(known),
        distinct=len(set(known.tolist())),
        low=anchor + float(known.min()) if some else None,
        high=anchor + float(known.max()) if some else None,
        mean=float(known.mean()) if some else None,
        stddev=float(known.std(ddof=1)) if len(known) > 1 else None,
        quantiles=tuple(float(q) for q in np.quantile(known, QUANTILE_LEVELS)) if some else (),
        counts={"midnight": int((known % 86400 == 0).sum()), "outside": int(((known < 0) | (known >= 86400)).sum())},
        hours=tuple(int(h) for h in hours),
    )


def date_of(number: int) -> dt.date:
    return START + dt.timedelta(days=number)


def profile_of(number: int, day: Day | None = None) -> Profile:
    rows = make_day(number) if day is None else day
    columns = (
        number_column("amount", rows.amount),
        text_column("country", rows.country),
        time_column("created", rows.created, date_of(number)),
        *rows.extra,
    )
    count = len(rows.amount)
    return Profile(date_of(number).isoformat(), count, columns, distinct_rows=count - rows.copies)

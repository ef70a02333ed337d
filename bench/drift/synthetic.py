"""Profiles of a made-up wide table, for cost figures only."""

from __future__ import annotations

import datetime as dt

import numpy as np

from services.drift.domain.profile import QUANTILE_LEVELS, ColumnKind, ColumnProfile, Profile

ROWS = 10_000
KINDS = (ColumnKind.NUMBER, ColumnKind.TEXT, ColumnKind.NUMBER, ColumnKind.TIME)
COUNTS = ("empty", "number", "date", "upper", "lower", "trimmed", "digit_first", "zero_first", "plain", "quoted")


def synthetic_profile(rng: np.random.Generator, day: int, columns: int) -> Profile:
    """A quiet day of a table of mixed columns."""
    partition = (dt.date(2024, 1, 1) + dt.timedelta(days=day)).isoformat()
    return Profile(partition, ROWS + int(rng.normal(0, 50)), tuple(_column(rng, i) for i in range(columns)), distinct_rows=ROWS - 60)


def _column(rng: np.random.Generator, index: int) -> ColumnProfile:
    kind, name = KINDS[index % len(KINDS)], f"column_{index:02d}_of_the_table"
    shares = rng.multinomial(ROWS, np.arange(26, 0, -1) / sum(range(1, 27)))
    quantiles = tuple(sorted(float(v) for v in np.quantile(rng.exponential(20, 500), QUANTILE_LEVELS)))
    top = tuple(
        (f"{v * 7.5:.1f}" if kind is ColumnKind.NUMBER else f"category number {v}", int(n))
        for v, n in enumerate(np.append(shares, shares[:14]))
    )
    if kind is ColumnKind.TEXT:
        counts = {c: int(rng.binomial(ROWS, 0.3)) for c in COUNTS}
        return ColumnProfile(name, kind, int(rng.poisson(80)), 40, 3.0, 19.0, 12.0, 3.1, counts=counts, top=top)
    if kind is ColumnKind.TIME:
        hours = tuple(int(v) for v in rng.multinomial(ROWS, np.full(24, 1 / 24)))
        return ColumnProfile(
            name, kind, 3, 9000, 1.7e9, 1.7001e9, 43000.0, 25000.0, quantiles, counts={"midnight": 1, "outside": 0}, hours=hours
        )
    counts = {
        "finite": ROWS - 30,
        "zero": int(rng.poisson(12)),
        "negative": 0,
        "integer": int(rng.poisson(300)),
        "tenth": int(rng.poisson(2000)),
    }
    edges = tuple(float(v) for v in range(0, 250, 10))
    return ColumnProfile(name, kind, 30, 3500, 0.01, 180.55, 20.1, 20.4, quantiles, edges, tuple(int(v) for v in shares), counts, top=top)

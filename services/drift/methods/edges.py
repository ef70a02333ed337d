"""Histogram edges frozen at onboarding: quantiles of the baseline plus an outer frame.

Equal-frequency bins give every bin the same sampling error (Mann & Wald 1942); the outer frame tells "a little beyond"
from "another order of magnitude".
"""

from __future__ import annotations

import math

from services.drift.domain.profile import ColumnProfile

FEW_VALUES = 10


def histogram_edges(baseline: ColumnProfile) -> tuple[float, ...]:
    """Ascending edges for a number column, at most 25; empty when the baseline has no finite value.

    >>> from services.drift.domain.profile import ColumnKind
    >>> c = ColumnProfile("x", ColumnKind.NUMBER, low=0.0, high=10.0, distinct=500, quantiles=(0.0, 1.0, 2.0, 5.0, 9.0, 10.0))
    >>> histogram_edges(c)
    (-10.0, 0.0, 1.0, 2.0, 5.0, 9.0, 10.0, 20.0)
    """
    if baseline.low is None or baseline.high is None:
        return ()
    values = {baseline.low, baseline.high, *baseline.quantiles}
    if baseline.distinct is not None and baseline.distinct <= FEW_VALUES:
        values |= {float(v) for v, _ in baseline.top}
    width = (baseline.high - baseline.low) or abs(baseline.high) or 1.0
    framed = {v for v in (*values, baseline.low - width, baseline.high + width) if math.isfinite(v)}
    return tuple(sorted({float(f"{v:.9g}") for v in framed}))

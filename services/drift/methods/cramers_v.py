"""Chi-square of two lists of category counts, and Cramér's V, its effect size between 0 and 1.

V = sqrt(chi2 / (n min(r - 1, c - 1))) (H. Cramér, Mathematical Methods of Statistics, 1946, p. 282); with two rows the minimum is 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import chi2_contingency


@dataclass(frozen=True, slots=True)
class Association:
    chi_square: float
    p_value: float
    cramers_v: float


def cramers_v(baseline: Sequence[float], current: Sequence[float]) -> Association:
    """Association between "which profile" and "which category". Categories empty in both are left out.

    >>> round(cramers_v([50, 50], [50, 50]).cramers_v, 3), round(cramers_v([100, 0], [0, 100]).cramers_v, 2)
    (0.0, 1.0)
    """
    pairs = [(b, c) for b, c in zip(baseline, current, strict=True) if b + c > 0]
    rows = [[b for b, _ in pairs], [c for _, c in pairs]]
    if len(pairs) < 2 or not all(sum(r) for r in rows):
        return Association(0.0, 1.0, 0.0)
    statistic, p_value, _, _ = chi2_contingency(rows, correction=False)
    return Association(float(statistic), float(p_value), math.sqrt(float(statistic) / sum(map(sum, rows))))

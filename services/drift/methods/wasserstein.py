"""Wasserstein-1 (earth mover's) distance from quantile lists: the area between two quantile functions.

W1 = integral over p of |Q1(p) - Q2(p)| (L. Vaserstein 1969; Ramdas et al., Entropy 19(2), 2017, eq. 8), by the trapezoid rule between the
levels that a profile holds. In units of the column.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def wasserstein(baseline: Sequence[float], current: Sequence[float], levels: Sequence[float]) -> float:
    """Mean distance that a value has moved; 0.0 when either list is not complete.

    >>> round(wasserstein([0, 1, 2], [1, 2, 3], [0.0, 0.5, 1.0]), 3)
    1.0
    """
    if len(baseline) != len(levels) or len(current) != len(levels):
        return 0.0
    gap = np.abs(np.asarray(current, float) - np.asarray(baseline, float))
    return float(np.trapezoid(gap, np.asarray(levels, float)) / (levels[-1] - levels[0]))

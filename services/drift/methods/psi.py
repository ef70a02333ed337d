"""Population stability index: sum over bins of (q - p) ln(q / p).

Source: N. Siddiqi, Credit Risk Scorecards, 2006, p. 107. It is the symmetrised Kullback–Leibler divergence. Empty bins take half a
row, so that one unseen bin does not make it infinite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def psi(baseline: Sequence[float], current: Sequence[float]) -> float:
    """PSI of two histograms of counts on the same edges; 0.0 when either is empty. Over 0.2 is called large by custom.

    >>> round(psi([50, 50], [50, 50]), 3), round(psi([50, 50], [80, 20]), 3)
    (0.0, 0.416)
    """
    total_b, total_c = sum(baseline), sum(current)
    if total_b <= 0 or total_c <= 0:
        return 0.0
    p = [max(b, 0.5) / total_b for b in baseline]
    q = [max(c, 0.5) / total_c for c in current]
    return sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))

"""Jensen–Shannon distance: square root of the mean divergence to the mixture, in bits; 0 is equal, 1 is disjoint.

Source: D. Endres and J. Schindelin, IEEE Trans. Inf. Theory 49(7), 2003: the root is a metric.
"""

from __future__ import annotations

from collections.abc import Sequence

from scipy.spatial.distance import jensenshannon


def jensen_shannon(baseline: Sequence[float], current: Sequence[float]) -> float:
    """Distance of two histograms of counts on the same bins; 0.0 when either is empty.

    >>> jensen_shannon([10, 0], [0, 10]), jensen_shannon([5, 5], [10, 10])
    (1.0, 0.0)
    """
    if sum(baseline) <= 0 or sum(current) <= 0:
        return 0.0
    return max(0.0, float(jensenshannon(list(baseline), list(current), base=2)))

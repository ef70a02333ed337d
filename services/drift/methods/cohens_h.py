"""Cohen's h: the effect size of a change of a share.

phi(p) = 2 asin sqrt p and h = |phi(p1) - phi(p2)| (J. Cohen, Statistical Power Analysis, 1988, ch. 6). The sampling error of
phi is 1/sqrt(n) whatever p is, so one threshold serves rare and common categories alike.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def phi(share: float) -> float:
    """Variance-stabilised share, 0 to pi.

    >>> round(phi(0.05) - phi(0.0), 3), round(phi(0.55) - phi(0.5), 3)
    (0.451, 0.1)
    """
    return 2 * math.asin(math.sqrt(min(1.0, max(0.0, share))))


def phi_array(shares: Array) -> Array:
    """The same for an array; NaN stays NaN."""
    return np.asarray(2 * np.arcsin(np.sqrt(np.clip(shares, 0.0, 1.0))))

"""Hellinger distance of two distributions: sqrt(sum (sqrt p - sqrt q)^2 / 2), 0 to 1.

Source: E. Hellinger 1909; Pollard, A User's Guide to Measure Theoretic Probability, 2002, p. 61. Unlike PSI it is bounded, needs no
smoothing, and its sampling noise does not depend on the shares.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def hellinger(shares: Array, references: Array) -> Array:
    """Distance of shares [C, W] to each of references [H, C, W] → [H, C].

    >>> hellinger(np.array([[1.0, 0.0]]), np.array([[[0.0, 1.0]], [[1.0, 0.0]]])).tolist()
    [[1.0], [0.0]]
    """
    return np.asarray(np.sqrt(((np.sqrt(shares) - np.sqrt(references)) ** 2).sum(axis=-1) / 2))

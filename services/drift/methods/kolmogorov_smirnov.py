"""Kolmogorov–Smirnov distance, from histograms on shared edges and from quantile lists.

D = sup |F1 - F2| (N. Smirnov 1948): the largest share of rows that lie on the other side of some value. On histograms it is exact at the
edges; on quantile lists it reads the reference's distribution function between its levels, a value that coincides with a
level may hold all the mass down to the level before it (columns of few values), so ties are intervals.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def histogram_ks(shares: Array, references: Array) -> Array:
    """D of shares [C, W] against each of references [H, C, W] → [H, C].

    >>> histogram_ks(np.array([[1.0, 0.0]]), np.array([[[0.25, 0.75]]])).tolist()
    [[0.75]]
    """
    return np.asarray(np.abs(np.cumsum(shares - references, axis=-1)).max(axis=-1))


def quantile_ks(current: Array, references: Array, levels: Array, inner: tuple[int, ...]) -> Array:
    """Mass moved, |F_ref(q_p) - p| at its largest over the inner levels: current [C, L], references [R, C, L] → [R, C]; NaN where unknown.

    >>> levels = np.array([0.1, 0.5, 0.9])
    >>> quantile_ks(np.array([[2.5, 3.5, 4.5]]), np.array([[[1.0, 2.0, 3.0]]]), levels, (0, 1, 2)).round(2).tolist()
    [[0.6]]
    """
    last = len(levels) - 1
    q = current[None, :, list(inner)]
    below_or_at = (references[:, :, None, :] <= q[..., None]).sum(axis=3)
    below = (references[:, :, None, :] < q[..., None]).sum(axis=3)
    upper = _function_at(q, references, levels, below_or_at)
    tied = below_or_at > below
    tie_floor = np.where(below == 0, 0.0, levels[np.clip(below - 1, 0, last)])
    lower = np.where(tied, tie_floor, np.where(below_or_at == 0, 0.0, np.where(below_or_at > last, levels[last], upper)))
    p = levels[list(inner)][None, None, :]
    mass = np.maximum(np.maximum(lower - p, p - upper), 0.0)
    incomplete = np.asarray(np.isnan(references).any(axis=2))
    unknown = incomplete[:, :, None] | np.isnan(q)
    return np.asarray(np.where(unknown, np.nan, mass).max(axis=2))


def _function_at(q: Array, references: Array, levels: Array, below_or_at: npt.NDArray[np.integer[Any]]) -> Array:
    """F_ref(q) by linear interpolation between levels; beyond the outermost it is the outermost level, or one above the top."""
    last = len(levels) - 1
    j = np.clip(below_or_at, 1, last)
    left = np.take_along_axis(references, j - 1, axis=2)
    right = np.take_along_axis(references, j, axis=2)
    width = np.where(right > left, right - left, 1.0)
    part = np.where(right > left, np.clip((q - left) / width, 0.0, 1.0), 1.0)
    inside = levels[j - 1] + part * (levels[j] - levels[j - 1])
    return np.asarray(np.where(below_or_at == 0, levels[0], np.where(below_or_at > last, 1.0, inside)))

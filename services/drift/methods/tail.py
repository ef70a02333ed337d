"""How surprising a move is, judged by the metric's own past moves: a Pareto tail fitted above a high order statistic.

Beyond the k-th largest past move x_k, P(move > x) = (k + 1)/(n + 2) (x / x_k)^-alpha (B. Hill, Ann. Stat. 3(5), 1975). alpha is the
posterior mean under a Gamma prior, so a short history leans on the prior, and a metric that jumps now and then earns a heavy tail and a
high threshold of its own. Surprise is -ln P: additive, and comparable over metrics of any unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class TailPrior:
    """Prior of the tail index, and the share of history that counts as its tail."""

    strength: float = 4.0
    """Worth this many past exceedances."""
    index: float = 5.0
    """Prior tail index: between a heavy tail (2) and sampling noise (10 and more)."""
    fraction: float = 0.12


def pareto_surprise(history: Array, moves: Array, prior: TailPrior) -> Array:
    """-ln P of each move [M] given past moves [n, M] (NaN = not measured). Moves are in units of the smallest relevant move.

    Below one unit a past move counts as one: what nobody cares about cannot teach a tail. No history gives no surprise.

    >>> calm = np.full((50, 1), 0.4)
    >>> restless = np.tile([[0.5], [4.0]], (25, 1))
    >>> pareto_surprise(calm, np.array([3.0]), TailPrior())[0] > 3 * pareto_surprise(restless, np.array([3.0]), TailPrior())[0]
    np.True_
    """
    if len(history) == 0:
        return np.zeros_like(moves)
    known = ~np.isnan(history)
    n = known.sum(axis=0)
    k = np.maximum(1, np.ceil(prior.fraction * n)).astype(int)
    k_most = min(int(k.max()) + 1, len(history))
    largest = _largest(np.where(known, history, 0.0), k_most)
    x_k = np.maximum(np.take_along_axis(largest, np.minimum(k, k_most - 1)[None, :], axis=0)[0], 1.0)
    in_tail = np.arange(k_most)[:, None] < k
    excess = (np.log(np.maximum(largest / x_k, 1.0)) * in_tail).sum(axis=0)
    alpha = (prior.strength + k) / (prior.strength / prior.index + excess)
    surprise = np.log((n + 2) / (k + 1)) + alpha * np.log(np.maximum(moves / x_k, 1e-9))
    return np.asarray(np.where(np.isnan(moves) | (moves < 1) | (n == 0), 0.0, np.maximum(surprise, 0.0)))


def _largest(values: Array, count: int) -> Array:
    """The `count` largest of each column, descending: a partial sort, because the tail is a tenth of the history."""
    cut = len(values) - count
    tail = np.partition(values, cut, axis=0)[cut:] if cut > 0 else values
    return np.asarray(-np.sort(-tail, axis=0))

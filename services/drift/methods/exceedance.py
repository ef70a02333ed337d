"""Surprise of one number against past numbers: peaks over threshold with an exponential tail.

Beyond the k-th largest past value x_k, P(x) = (k + 1)/(n + 2) exp(-(x - x_k) / beta); beta is the mean excess, shrunk to a prior
(Pickands 1975; Smith 1987: the generalised Pareto with shape 0). Right for standardised forecast errors, whose tails are lighter than
those of effect sizes (`tail`), and a heavy-tailed series still earns a wide beta.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExcessPrior:
    strength: float = 8.0
    """Worth this many past exceedances."""
    mean: float = 0.65
    """Prior mean excess, in standard errors."""
    least: float = 0.35
    """Lower bound: a calm past must not make two points certain."""
    fraction: float = 0.22
    """Share of history that counts as its tail."""
    enough: int = 5
    """Past values before which nothing is surprising."""


@dataclass(frozen=True, slots=True)
class Tail:
    """A fitted tail; `start` None says that the history is too short."""

    start: float | None
    mean_excess: float
    surprise_at_start: float

    def surprise(self, value: float) -> float:
        """-ln P of a value at least this large; 0 below the tail."""
        if self.start is None or value <= self.start:
            return 0.0
        return self.surprise_at_start + (value - self.start) / self.mean_excess

    def value_at(self, surprise: float) -> float | None:
        """The value whose surprise this is, None when unknown: the edge of a forecast's band."""
        return None if self.start is None else self.start + max(0.0, surprise - self.surprise_at_start) * self.mean_excess


def fit_tail(past: Sequence[float], prior: ExcessPrior) -> Tail:
    """Tail of non-negative past values.

    >>> tail = fit_tail([0.1 * i for i in range(20)], ExcessPrior())
    >>> round(tail.surprise(6.0), 1), tail.surprise(0.5)
    (10.2, 0.0)
    """
    n = len(past)
    if n < prior.enough:
        return Tail(None, prior.mean, 0.0)
    k = max(2, math.ceil(prior.fraction * n))
    largest = heapq.nlargest(k + 1, past)
    start = max(largest[min(k, n - 1)], 1.0)
    excess = sum(value - start for value in largest[:k])
    mean = (prior.strength * prior.mean + excess) / (prior.strength + k)
    return Tail(start, max(mean, prior.least), max(0.0, math.log((n + 2) / (k + 1))))

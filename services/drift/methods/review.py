"""What people's words do to the state: accept a deviation, or call an alarm expected, false or real."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from enum import StrEnum

import numpy as np

from services.drift.methods.distribution import DistributionSettings
from services.drift.methods.forecast import shift
from services.drift.methods.history import History, Provisional, category_vector, push, remember
from services.drift.methods.judge import DatasetState
from services.drift.methods.layout import BoolArray, layout_of
from services.drift.methods.measure import season_of

PRESENCE = 3
"""Times an accepted profile enters the rings: as many as the nearest neighbours and the recent reference look at."""
HELD_BACK = -1000
"""Streak of a column whose fault was confirmed: it is not adopted by holding unless somebody accepts it."""


class Opinion(StrEnum):
    EXPECTED = "expected"
    """A true change, fine this once: history stays, and its streak towards adoption starts anew."""
    FALSE = "false"
    """Nothing changed that matters: moves as large as this teach the thresholds."""
    REAL = "real"
    """A fault: never to become the normal by holding."""


def accept_columns(state: DatasetState, columns: Collection[str] | None, settings: DistributionSettings) -> DatasetState:
    """The latest deviation of these columns (None: of all, and of the table) is normal from now on. Nothing known, nothing changed."""
    history = state.distribution
    if history is None:
        return state
    for item in reversed(history.provisional):
        chosen = _chosen(history, item, columns)
        if chosen.any():
            return replace(state, distribution=_accepted(history, item, chosen, settings))
    return state


def accept_rows(state: DatasetState) -> DatasetState:
    """The level that the last loads have is normal from now on."""
    pending = sorted(state.volume.pending[-3:])
    return replace(state, volume=shift(state.volume, pending[len(pending) // 2])) if pending else state


def hear_columns(state: DatasetState, columns: Collection[str], opinion: Opinion, settings: DistributionSettings) -> DatasetState:
    """State after somebody spoke about a finding of these columns (none named: about the table as a whole)."""
    history = state.distribution
    if history is None:
        return state
    item, chosen = _latest(history, columns or None)
    if item is None:
        return state
    if opinion is Opinion.FALSE:
        taught = np.where(chosen[layout_of(history.columns).owner], item.moves, np.nan)
        history = replace(history, moves=push(history.moves, taught, settings.move_ring), provisional=_cleared(history, chosen))
    streak = HELD_BACK if opinion is Opinion.REAL else 0
    streaks = tuple(streak if chosen[i] else s for i, s in enumerate(history.streaks))
    return replace(state, distribution=replace(history, streaks=streaks))


def hear_rows(state: DatasetState, expected: float | None, rows: float | None, opinion: Opinion) -> DatasetState:
    """State after somebody spoke about a finding of the number of rows. A false alarm widens the band on its side."""
    volume = state.volume
    if opinion is not Opinion.FALSE or expected is None or rows is None:
        return state
    gap = math.log1p(rows) - math.log1p(expected)
    size = abs(gap) / max(volume.scale or 0.5, 0.05)
    heard = replace(volume, ups=(*volume.ups, size)) if gap > 0 else replace(volume, downs=(*volume.downs, size))
    return replace(state, volume=replace(heard, pending=(), pending_zero=False))


def _latest(history: History, columns: Collection[str] | None) -> tuple[Provisional | None, BoolArray]:
    for item in reversed(history.provisional):
        chosen = _chosen(history, item, columns)
        if chosen.any():
            return item, chosen
    return None, np.zeros(len(history.streaks), bool)


def _chosen(history: History, item: Provisional, columns: Collection[str] | None) -> BoolArray:
    """Owners (the table, then each column) that moved and are meant."""
    if columns is None:
        return item.moved.copy()
    return np.asarray(item.moved & np.array([False, *(name in columns for name, _ in history.columns)]))


def _cleared(history: History, chosen: BoolArray) -> tuple[Provisional, ...]:
    """Deviations without those of the chosen owners."""
    rest = (replace(p, moved=p.moved & ~chosen, announced=np.where(chosen, 0.0, p.announced)) for p in history.provisional)
    return tuple(p for p in rest if p.moved.any())


def _accepted(history: History, item: Provisional, chosen: BoolArray, settings: DistributionSettings) -> History:
    for _ in range(PRESENCE):
        history = _enter(history, item, chosen, settings)
    streaks = tuple(0 if chosen[i] else s for i, s in enumerate(history.streaks))
    return replace(history, provisional=_cleared(history, chosen), streaks=streaks, since=history.since if any(streaks) else None)


def _enter(history: History, item: Provisional, chosen: BoolArray, settings: DistributionSettings) -> History:
    """One more row in the rings, holding only the accepted columns."""
    layout, m, limit = layout_of(history.columns), item.measurement, settings.ring
    block = np.array([chosen[i + 1] for i in layout.blocks], dtype=bool)
    text = np.array([chosen[i + 1] for i in layout.categorical], dtype=bool)
    learned = zip(history.memories, text, m.tops, m.top_sizes, strict=True)
    memories = tuple(remember(memory, top, size) if taken else memory for memory, taken, top, size in learned)
    return replace(
        history,
        memories=memories,
        seasons=(*history.seasons, season_of(item.partition))[-limit:],
        rows=(*history.rows, item.rows)[-limit:],
        values=push(history.values, np.where(chosen[layout.owner[: layout.fixed]], m.values, np.nan), limit),
        shares=push(history.shares, m.shares, limit),
        sizes=push(history.sizes, np.where(block, m.sizes, 0.0), limit),
        quantiles=push(history.quantiles, np.where(block[:, None], m.quantiles, np.nan), limit),
        categories=push(history.categories, category_vector(memories, m.tops), limit),
        category_sizes=push(history.category_sizes, np.where(text, m.top_sizes, 0.0), limit),
    )

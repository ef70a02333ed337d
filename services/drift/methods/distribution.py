"""Distribution drift: is this partition unlike every accepted one, in terms of the table's own restlessness?

For each watched figure the move is its distance to the nearest of several references (long median, last three, same season), or to the
nearest accepted histograms. Moves are divided by the smallest relevant move, and a Pareto tail of the figure's own past moves says how
surprising the current one is. The largest surprise over all figures is compared with ln(effective tests / false-alarm budget), so the
number of columns does not multiply the alarms. A partition never takes part in the history it is judged by.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from services.drift.domain.profile import ColumnKind, Profile
from services.drift.methods.effects import NOISE, distance_to_known_moves, effects_of, known_median, reference_distances, sampling_errors
from services.drift.methods.history import History, Provisional, category_vector, empty_history, push, realign, remember
from services.drift.methods.layout import FAMILIES, Layout, columns_of, layout_of
from services.drift.methods.measure import Floats, Measurement, measure, season_of, unit_of
from services.drift.methods.signature import repeated_load, signature_of
from services.drift.methods.tail import TailPrior, pareto_surprise

ERROR_MEMORY = 0.95
SUPPORT = 0.15
"""Part of the surprise of other kinds of evidence that adds to a column's strongest: they move together, so far from all of it."""


@dataclass(frozen=True, slots=True)
class DistributionSettings:
    """One fixed default for every dataset; only the budget and the sensitivity are meant to be changed."""

    budget: float = 1 / 200
    """False alarms a clean partition may raise."""
    effective_tests: float = 6000.0
    """Independent looks per partition that the threshold pays for: metrics of a wide table, and the search over references."""
    sensitivity: float = 1.0
    """Above 1 alarms sooner."""
    ring: int = 60
    move_ring: int = 90
    adopt_after: int = 10
    """Partitions in a row at a new level until it is taken as the new normal."""
    remember_for: int = 14
    """Partitions an announced move is remembered, so that its return is not announced again."""
    follow_up: int = 7
    """Partitions within which a column that was announced is one story, told again only when it gets `worse` times more surprising."""
    worse: float = 1.5
    quarantine: float = 0.65
    """Share of the alarm threshold from which a column is kept out of its own history."""
    warm_up: int = 3
    """Profiles before which nothing is said."""
    prior: TailPrior = field(default_factory=TailPrior)
    muted: frozenset[str] = frozenset()
    """Columns that never alarm."""

    @property
    def threshold(self) -> float:
        """Surprise (-ln P) from which a partition alarms."""
        return math.log(self.effective_tests / self.budget) / self.sensitivity


@dataclass(frozen=True, slots=True)
class Scored:
    """Surprise of each metric of one profile."""

    layout: Layout
    surprise: Floats
    """After what earlier announced moves explain."""
    raw: Floats
    """Against accepted history alone."""
    moves: Floats
    """In units of the smallest relevant move."""
    effects: Floats
    """On the metric's own scale: Cohen's h, KS, Hellinger, asinh."""
    stale_since: str | None
    """Partition that this one repeats value for value."""
    measurement: Measurement
    categories: Floats
    distances: Floats
    threshold: float

    @property
    def score(self) -> float:
        """Largest surprise over the threshold: 1.0 and above is an alarm."""
        if self.stale_since is not None:
            return 2.0
        return float(self.by_owner().max(initial=0.0)) / self.threshold

    def by_owner(self) -> Floats:
        """Joint surprise of the table and of each column: its strongest evidence, and a part of that of other kinds."""
        best = np.zeros((FAMILIES, len(self.layout.columns) + 1))
        np.maximum.at(best, (self.layout.family, self.layout.owner), self.surprise)
        best = -np.sort(-best, axis=0)
        return np.asarray(best[0] + SUPPORT * best[1:3].sum(axis=0))

    def by_column(self) -> list[tuple[str, float]]:
        """(column, joint surprise), most surprising first; the table's own metrics are under an empty name."""
        names = ("", *(name for name, _ in self.layout.columns))
        ranked = zip(names, self.by_owner().tolist(), strict=True)
        return sorted(((n, s) for n, s in ranked if s > 0), key=lambda item: (-item[1], item[0]))


def score_profile(history: History, profile: Profile, settings: DistributionSettings) -> Scored:
    """Scores of a profile whose columns are those of the history (see `realign`)."""
    layout = layout_of(history.columns)
    current = measure(profile, layout, history.units)
    categories = category_vector(history.memories, current.tops)
    distances = np.full((3, layout.fixed + len(layout.blocks)), np.nan)
    effects = np.full(len(layout.names), np.nan)
    if history.length >= 2:
        distances = reference_distances(history, current, season_of(profile.partition))
        effects = effects_of(history, layout, current, categories, distances)
    smallest = layout.odds(np.minimum(np.sqrt((NOISE * sampling_errors(current)) ** 2 + layout.floors**2), 1.0))
    moves = layout.odds(effects) / smallest
    watched = np.array([column not in settings.muted for column, _ in layout.names])
    raw = np.where(watched, pareto_surprise(history.moves, moves, settings.prior), 0.0)
    raw = np.where(_truncated(history, profile, current, layout), 0.0, raw)
    surprise = raw
    if history.provisional and raw.max(initial=0.0) > 0:
        explained = np.minimum(layout.odds(effects), layout.odds(distance_to_known_moves(history, layout, current, categories)))
        surprise = np.where(raw > 0, pareto_surprise(history.moves, explained / smallest, settings.prior), 0.0)
        told = announced(history, settings)[layout.owner]
        surprise = np.where((told > 0) & (raw < settings.worse * told), 0.0, surprise)
    stale = repeated_load(history.signatures, signature_of(profile), profile)
    return Scored(layout, surprise, raw, moves, effects, stale, current, categories, distances, settings.threshold)


def learn(history: History, profile: Profile, scored: Scored, settings: DistributionSettings, train: bool = True) -> History:
    """History after a judged profile: columns that stayed at home are taken in, those that moved are kept aside.

    `train=False` records the profile as judged and takes nothing in.
    """
    moved = np.zeros(len(history.streaks), bool)
    np.logical_or.at(moved, scored.layout.owner, scored.raw > settings.quarantine * settings.threshold)
    if scored.stale_since is not None or not train:
        moved[:] = True
    streaks = np.where(moved, np.array(history.streaks) + 1, 0)
    if train and scored.stale_since is None:
        moved &= streaks < settings.adopt_after
    provisional = tuple(p for p in history.provisional if history.number - p.number < settings.remember_for)
    if moved.any() and train:
        kept = Provisional(
            history.number,
            profile.partition,
            moved,
            scored.measurement,
            scored.categories,
            _announcements(history, scored, moved, settings),
            scored.moves,
            profile.rows,
        )
        provisional = (*provisional, kept)[-settings.remember_for :]
    after = replace(
        history,
        number=history.number + 1,
        streaks=tuple(int(s) for s in streaks),
        provisional=provisional,
        signatures=(*history.signatures, (profile.partition, signature_of(profile)))[-30:],
        since=(history.since or profile.partition) if moved.any() else None,
    )
    return after if moved.all() else take_in(after, profile, scored, moved, settings)


def announced(history: History, settings: DistributionSettings) -> Floats:
    """Per owner: the largest surprise announced within the follow-up window, 0 where nothing was."""
    recent = [p.announced for p in history.provisional if history.number - p.number <= settings.follow_up]
    return np.max(recent, axis=0) if recent else np.zeros(len(history.streaks))


def _announcements(history: History, scored: Scored, moved: npt.NDArray[np.bool_], settings: DistributionSettings) -> Floats:
    """What this profile adds: fresh alarms, and earlier ones of columns that are still away."""
    now = np.zeros(len(moved))
    told = (scored.by_owner() >= settings.threshold)[scored.layout.owner]
    np.maximum.at(now, scored.layout.owner, np.where(told, scored.raw, 0.0))
    return np.where(moved, np.maximum(now, announced(history, settings)), 0.0)


def take_in(history: History, profile: Profile, scored: Scored, moved: npt.NDArray[np.bool_], settings: DistributionSettings) -> History:
    """History with the profile's columns added, except those that moved."""
    layout, m, limit = scored.layout, scored.measurement, settings.ring
    away_block = moved[[i + 1 for i in layout.blocks]] if layout.blocks else np.zeros(0, bool)
    away_text = moved[[i + 1 for i in layout.categorical]] if layout.categorical else np.zeros(0, bool)
    away_metric = moved[layout.owner]
    memories = tuple(
        memory if away else remember(memory, top, size)
        for memory, away, top, size in zip(history.memories, away_text, m.tops, m.top_sizes, strict=True)
    )
    learned = history.length > 1
    return replace(
        history,
        memories=memories,
        seasons=(*history.seasons, season_of(profile.partition))[-limit:],
        rows=(*history.rows, profile.rows)[-limit:],
        values=push(history.values, np.where(away_metric[: layout.fixed], np.nan, m.values), limit),
        shares=push(history.shares, m.shares, limit),
        sizes=push(history.sizes, np.where(away_block, 0.0, m.sizes), limit),
        quantiles=push(history.quantiles, np.where(away_block[:, None], np.nan, m.quantiles), limit),
        categories=push(history.categories, category_vector(memories, m.tops), limit),
        category_sizes=push(history.category_sizes, np.where(away_text, 0.0, m.top_sizes), limit),
        reference_errors=_updated_errors(history.reference_errors, scored.distances, away_metric, away_block, layout),
        moves=push(history.moves, np.where(away_metric, np.nan, scored.moves), settings.move_ring) if learned else history.moves,
    )


def _updated_errors(
    errors: Floats, distances: Floats, away: npt.NDArray[np.bool_], away_block: npt.NDArray[np.bool_], layout: Layout
) -> Floats:
    """Discounted mean distance of each reference, over accepted profiles."""
    skip = np.concatenate([away[: layout.fixed], away_block])
    fresh = np.where(np.isnan(errors), distances, ERROR_MEMORY * errors + (1 - ERROR_MEMORY) * distances)
    return np.asarray(np.where(np.isnan(distances) | skip, errors, fresh))


def prepare(history: History | None, profile: Profile) -> History:
    """A history that fits the profile's columns: new, as it is, or realigned."""
    columns = columns_of(profile)
    units = {c.name: unit_of(c) for c in profile.columns}
    if history is None:
        return empty_history(columns, units)
    return history if history.columns == columns else realign(history, columns, units)


def _truncated(history: History, profile: Profile, current: Measurement, layout: Layout) -> npt.NDArray[Any]:
    """Times of a partition that stops early: rows and the span of times are short by the same part, which is a matter of volume."""
    stopped: set[str] = set()
    usual = float(np.median(history.rows)) if history.length >= 3 else 0.0
    if profile.rows < 0.6 * usual:
        for at, index in enumerate(layout.blocks):
            name, kind = layout.columns[index]
            span = known_median(history.quantiles[:, at])[-1] if kind is ColumnKind.TIME else np.nan
            if 0 < current.quantiles[at, -1] < 1.2 * span * profile.rows / usual:
                stopped.add(name)
    return np.array([column in stopped for column, _ in layout.names])

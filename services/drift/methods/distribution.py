"""Distribution drift: is this partition unlike every accepted one, in terms of the table's own restlessness?

For each watched figure the move is its distance to the nearest of several references (long median, last three, same season), or to the
nearest accepted histograms. Moves are divided by the smallest relevant move, and a Pareto tail of the figure's own past moves says how
surprising the current one is. The largest surprise over all figures is compared with ln(effective tests / false-alarm budget), so the
number of columns does not multiply the alarms. A partition never takes part in the history it is judged by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from services.drift.domain.profile import Profile
from services.drift.methods.cohens_h import phi, phi_array
from services.drift.methods.hellinger import hellinger
from services.drift.methods.history import History, Provisional, category_vector, push, remember
from services.drift.methods.kolmogorov_smirnov import histogram_ks, quantile_ks
from services.drift.methods.layout import Layout, columns_of, layout_of
from services.drift.methods.measure import LEVELS, Floats, Measurement, measure, season_of, unit_of
from services.drift.methods.signature import repeated_load, signature_of
from services.drift.methods.tail import TailPrior, pareto_surprise

INNER = tuple(i for i, p in enumerate(LEVELS) if 0.1 <= p <= 0.9)
NOISE = 2.5
"""Standard errors within the smallest relevant move."""
BLOCK_ERRORS = (0.6, 0.6, 0.5)
"""Expected KS, Hellinger and quantile distance of two equal samples, times sqrt n: from simulation of 12 to 24 bins."""
NEAREST = 3


@dataclass(frozen=True, slots=True)
class DistributionSettings:
    """One fixed default for every dataset; only the budget and the sensitivity are meant to be changed."""

    budget: float = 1 / 200
    """False alarms a clean partition may raise."""
    effective_tests: float = 7000.0
    """Independent looks per partition that the threshold pays for: metrics of a wide table, and the search over references."""
    sensitivity: float = 1.0
    """Above 1 alarms sooner."""
    ring: int = 60
    move_ring: int = 90
    adopt_after: int = 10
    """Partitions in a row at a new level until it is taken as the new normal."""
    remember_for: int = 14
    """Partitions an announced move is remembered, so that its return is not announced again."""
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
    threshold: float

    @property
    def score(self) -> float:
        """Largest surprise over the threshold: 1.0 and above is an alarm."""
        if self.stale_since is not None:
            return 2.0
        return float(self.surprise.max(initial=0.0)) / self.threshold

    def by_column(self) -> list[tuple[str, float]]:
        """(column, largest surprise), most surprising first; the table's own metrics are under an empty name."""
        best: dict[str, float] = {}
        for (column, _), s in zip(self.layout.names, self.surprise, strict=True):
            if s > best.get(column, 0.0):
                best[column] = float(s)
        return sorted(best.items(), key=lambda item: (-item[1], item[0]))


def score_profile(history: History, profile: Profile, settings: DistributionSettings) -> Scored:
    """Scores of a profile whose columns are those of the history (see `realign`)."""
    layout = layout_of(history.columns)
    current = measure(profile, layout, history.units)
    categories = category_vector(history.memories, current.tops)
    effects = _effects(history, layout, current, categories, season_of(profile.partition))
    smallest = layout.odds(np.minimum(np.sqrt((NOISE * _errors(current)) ** 2 + layout.floors**2), 1.0))
    moves = layout.odds(effects) / smallest
    watched = np.array([column not in settings.muted for column, _ in layout.names])
    raw = np.where(watched, pareto_surprise(history.moves, moves, settings.prior), 0.0)
    raw = np.where(_truncated(history, profile, layout), 0.0, raw)
    surprise = raw
    if history.provisional and raw.max(initial=0.0) > 0:
        explained = np.minimum(layout.odds(effects), layout.odds(_known_moves(history, layout, current, categories)))
        surprise = np.where(raw > 0, pareto_surprise(history.moves, explained / smallest, settings.prior), 0.0)
    stale = repeated_load(history.signatures, signature_of(profile), profile)
    return Scored(layout, surprise, raw, moves, effects, stale, current, categories, settings.threshold)


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
        kept = Provisional(history.number, profile.partition, moved, scored.measurement, scored.categories)
        provisional = (*provisional, kept)[-settings.remember_for :]
    after = replace(
        history, number=history.number + 1, streaks=tuple(int(s) for s in streaks), provisional=provisional,
        signatures=(*history.signatures, (profile.partition, signature_of(profile)))[-30:],
        since=(history.since or profile.partition) if moved.any() else None,
    )  # fmt: skip
    return after if moved.all() else take_in(after, profile, scored, moved, settings)


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
        history, memories=memories, seasons=(*history.seasons, season_of(profile.partition))[-limit:], rows=(*history.rows, profile.rows)[-limit:],
        values=push(history.values, np.where(away_metric[: layout.fixed], np.nan, m.values), limit),
        shares=push(history.shares, m.shares, limit), sizes=push(history.sizes, np.where(away_block, 0.0, m.sizes), limit),
        quantiles=push(history.quantiles, np.where(away_block[:, None], np.nan, m.quantiles), limit),
        categories=push(history.categories, category_vector(memories, m.tops), limit),
        category_sizes=push(history.category_sizes, np.where(away_text, 0.0, m.top_sizes), limit),
        moves=push(history.moves, np.where(away_metric, np.nan, scored.moves), settings.move_ring) if learned else history.moves,
    )  # fmt: skip


def prepare(history: History | None, profile: Profile) -> History:
    """A history that fits the profile's columns: new, as it is, or realigned."""
    from services.drift.methods.history import empty_history, realign

    columns = columns_of(profile)
    units = {c.name: unit_of(c) for c in profile.columns}
    if history is None:
        return empty_history(columns, units)
    return history if history.columns == columns else realign(history, columns, units)


def _errors(current: Measurement) -> Floats:
    block = 1 / np.sqrt(np.maximum(current.sizes, 1))
    text = 1 / np.sqrt(np.maximum(current.top_sizes, 1))
    return np.concatenate([current.errors, *(c * block for c in BLOCK_ERRORS), text, 0.5 * text, text, text])


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


def _median(ring: Floats) -> Floats:
    """Median along the first axis without the NaN: sorting puts them last, and numpy's own nanmedian is ten times slower."""
    ordered = np.sort(ring, axis=0)
    known = (~np.isnan(ring)).sum(axis=0)
    low, high = np.maximum(known - 1, 0) // 2, np.minimum(known // 2, len(ring) - 1)
    middle = (np.take_along_axis(ordered, low[None], 0)[0] + np.take_along_axis(ordered, high[None], 0)[0]) / 2
    return np.where(known > 0, middle, np.nan)


def _mean(ring: Floats) -> Floats:
    known = (~np.isnan(ring)).sum(axis=0)
    return np.where(known > 0, np.nansum(ring, axis=0) / np.maximum(known, 1), np.nan)


def _nearest(distances: Floats, valid: npt.NDArray[np.bool_], count: int) -> Floats:
    """Mean distance to the `count` nearest rows of the ring; NaN where fewer are known."""
    usable = min(count, len(distances))
    return _finite(np.partition(np.where(valid, distances, np.inf), usable - 1, axis=0)[:usable].mean(axis=0))


def _effects(history: History, layout: Layout, current: Measurement, categories: Floats, season: int) -> Floats:
    """Distance of every metric to what is known of it."""
    if history.length < 2:
        return np.full(len(layout.names), np.nan)
    same = [i for i, s in enumerate(history.seasons) if s == season][-3:]
    recent = [slice(-3, None), same] if len(same) >= 2 else [slice(-3, None)]
    references = [_median(history.values), *(_mean(history.values[rows]) for rows in recent)]
    fixed = np.fmin.reduce([np.abs(current.values - r) for r in references])
    curves = np.array([_median(history.quantiles), *(_median(history.quantiles[rows]) for rows in recent)])
    valid = (history.sizes > 0) & (current.sizes > 0)
    blocks = (
        _nearest(histogram_ks(current.shares, history.shares), valid, NEAREST),
        _nearest(hellinger(current.shares, history.shares), valid, NEAREST),
        np.fmin.reduce(quantile_ks(current.quantiles, curves, LEVELS, INNER), axis=0),
    )
    known = (history.category_sizes > 0) & (current.top_sizes > 0)
    single = np.abs(phi_array(categories) - phi_array(history.categories))
    unseen, gain = _new_values(history, layout, current, ())
    texts = (
        unseen, _nearest(hellinger(categories, history.categories), known, NEAREST),
        _nearest(single, known[:, :, None], 2).max(axis=1, initial=0.0), gain,
    )  # fmt: skip
    return np.concatenate([fixed, *blocks, *texts])


def _new_values(history: History, layout: Layout, current: Measurement, also: tuple[tuple[Mapping[str, float], ...], ...]) -> tuple[Floats, Floats]:
    """Per categorical column: h of the share in values never seen (text only), and the largest rise of one value above its record."""
    unseen, gain = np.full(len(current.tops), np.nan), np.full(len(current.tops), np.nan)
    for at, top in enumerate(current.tops):
        if not current.top_sizes[at]:
            continue
        seen, others = history.memories[at].seen, [tops[at] for tops in also]
        if layout.columns[layout.categorical[at]][1].value == "text":
            unseen[at] = phi(sum(share for value, share in top.items() if value not in seen and not any(value in o for o in others)))
        rises = [0.0]
        for value, share in list(top.items())[:10]:
            record = max([seen.get(value, 0.0), *(o.get(value, 0.0) for o in others)])
            rises.append(phi(share) - phi(record))
        gain[at] = max(rises)
    return unseen, gain


def _known_moves(history: History, layout: Layout, current: Measurement, categories: Floats) -> Floats:
    """Distance to the nearest move that was announced before, infinite for columns that had none."""
    best = np.full(len(layout.names), np.inf)
    for item in history.provisional:
        m = item.measurement
        single = np.abs(phi_array(categories) - phi_array(item.categories)).max(axis=1, initial=0.0)
        unseen, gain = _new_values(history, layout, current, (m.tops,))
        distance = np.concatenate([
            np.abs(current.values - m.values), histogram_ks(current.shares, m.shares[None])[0], hellinger(current.shares, m.shares[None])[0],
            quantile_ks(current.quantiles, m.quantiles[None], LEVELS, INNER)[0], unseen,
            hellinger(categories, item.categories[None])[0], single, gain,
        ])  # fmt: skip
        usable = item.moved[layout.owner] & ~np.isnan(distance)
        best = np.where(usable, np.minimum(best, distance), best)
    return best


def _truncated(history: History, profile: Profile, layout: Layout) -> npt.NDArray[Any]:
    """Times of a partition that is far from full: it stops early, and that is a matter of volume, not of distribution."""
    partial = history.length >= 3 and profile.rows < 0.6 * float(np.median(history.rows))
    times = {name for name, kind in layout.columns if kind.value == "time"} if partial else set()
    return np.array([column in times for column, _ in layout.names])

"""How far each figure of a profile is from what is known of it: the moves that the judge weighs."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from services.drift.domain.profile import ColumnKind
from services.drift.methods.cohens_h import phi, phi_array
from services.drift.methods.hellinger import hellinger
from services.drift.methods.history import History
from services.drift.methods.kolmogorov_smirnov import histogram_ks, quantile_ks
from services.drift.methods.layout import Layout
from services.drift.methods.measure import LEVELS, Floats, Measurement, Unit

INNER = tuple(i for i, p in enumerate(LEVELS) if 0.1 <= p <= 0.9)
NOISE = 2.5
"""Standard errors within the smallest relevant move."""
BLOCK_ERRORS = (0.6, 0.6, 0.5)
"""Expected KS, Hellinger and quantile distance of two equal samples, times sqrt n: from simulation of 12 to 24 bins."""
NEAREST = 3
HANDICAP = 0.5
"""Part of a reference's excess error that is added to the distance to it."""


def sampling_errors(current: Measurement) -> Floats:
    block = 1 / np.sqrt(np.maximum(current.sizes, 1))
    text = 1 / np.sqrt(np.maximum(current.top_sizes, 1))
    return np.concatenate([current.errors, *(c * block for c in BLOCK_ERRORS), text, 0.5 * text, text, text])


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


def known_median(ring: Floats) -> Floats:
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


def reference_distances(history: History, current: Measurement, season: int) -> Floats:
    """Distance of fixed values and quantile curves to the long median, the last three and the same season: [3, fixed + blocks]."""
    same = [i for i, s in enumerate(history.seasons) if s == season][-3:]
    choices = [np.arange(history.length), np.arange(history.length)[-3:], np.array(same if len(same) >= 2 else [], dtype=int)]
    curves, distances = [], []
    for position, rows in enumerate(choices):
        centre = known_median if position == 0 else _mean
        distances.append(np.abs(current.values - centre(history.values[rows])) if len(rows) else np.full(len(current.values), np.nan))
        curves.append(known_median(history.quantiles[rows]) if len(rows) else np.full(current.quantiles.shape, np.nan))
    return np.concatenate([np.array(distances), quantile_ks(current.quantiles, np.array(curves), LEVELS, INNER)], axis=1)


def _closest(distances: Floats, errors: Floats) -> Floats:
    """Distance to the nearest reference, where being near a reference that is usually far counts for less."""
    best = np.fmin.reduce(errors)
    handicap = np.where(np.isnan(errors), 0.0, errors - np.where(np.isnan(best), 0.0, best))
    return np.asarray(np.fmin.reduce(distances + HANDICAP * handicap))


def _beyond(history: History, current: Measurement, layout: Layout, units: Mapping[str, Unit]) -> Floats:
    """How far the 5th and 95th percentiles lie beyond every accepted 1st and 99th: one row in twenty where one in a hundred never was."""
    out = np.full(layout.fixed, np.nan)
    for at, metric in layout.tails:
        block = layout.tail_blocks[at]
        unit, ring = units[layout.names[at][0]], history.quantiles[:, block]
        if np.isnan(current.quantiles[block, 0]) or np.isnan(ring).all():
            continue
        low, high = (math.asinh((edge - unit.location) / unit.scale) for edge in (np.nanmin(ring[:, 0]), np.nanmax(ring[:, -1])))
        out[at] = max(0.0, low - current.values[at]) if metric == "q05" else max(0.0, current.values[at] - high)
    return out


def effects_of(history: History, layout: Layout, current: Measurement, categories: Floats, distances: Floats) -> Floats:
    """Distance of every metric to what is known of it."""
    closest = _closest(distances, history.reference_errors)
    fixed, curve = closest[: layout.fixed], closest[layout.fixed :]
    fixed = np.where(layout.is_tail, _beyond(history, current, layout, history.units), fixed)
    valid = (history.sizes > 0) & (current.sizes > 0)
    blocks = (
        _nearest(histogram_ks(current.shares, history.shares), valid, NEAREST),
        _nearest(hellinger(current.shares, history.shares), valid, NEAREST),
        curve,
    )
    known = (history.category_sizes > 0) & (current.top_sizes > 0)
    single = np.abs(phi_array(categories) - phi_array(history.categories))
    unseen, gain = _new_values(history, layout, current, ())
    texts = (
        unseen,
        _nearest(hellinger(categories, history.categories), known, NEAREST),
        _nearest(single, known[:, :, None], 2).max(axis=1, initial=0.0),
        gain,
    )
    return np.concatenate([fixed, *blocks, *texts])


def _new_values(
    history: History, layout: Layout, current: Measurement, also: tuple[tuple[Mapping[str, float], ...], ...]
) -> tuple[Floats, Floats]:
    """Per categorical column: h of the share in values never seen (text only), and the largest rise of one value above its record."""
    unseen, gain = np.full(len(current.tops), np.nan), np.full(len(current.tops), np.nan)
    for at, top in enumerate(current.tops):
        if not current.top_sizes[at]:
            continue
        seen, others = history.memories[at].seen, [tops[at] for tops in also]
        if layout.columns[layout.categorical[at]][1] is ColumnKind.TEXT:
            unseen[at] = phi(sum(share for value, share in top.items() if value not in seen and not any(value in o for o in others)))
        rises = [0.0]
        for value, share in list(top.items())[:10]:
            record = max([seen.get(value, 0.0), *(o.get(value, 0.0) for o in others)])
            rises.append(phi(share) - phi(record))
        gain[at] = max(rises)
    return unseen, gain


def distance_to_known_moves(history: History, layout: Layout, current: Measurement, categories: Floats) -> Floats:
    """Distance to the nearest move that was announced before, infinite for columns that had none."""
    best = np.full(len(layout.names), np.inf)
    for item in history.provisional:
        m = item.measurement
        single = np.abs(phi_array(categories) - phi_array(item.categories)).max(axis=1, initial=0.0)
        unseen, gain = _new_values(history, layout, current, (m.tops,))
        distance = np.concatenate(
            [
                np.abs(current.values - m.values),
                histogram_ks(current.shares, m.shares[None])[0],
                hellinger(current.shares, m.shares[None])[0],
                quantile_ks(current.quantiles, m.quantiles[None], LEVELS, INNER)[0],
                unseen,
                hellinger(categories, item.categories[None])[0],
                single,
                gain,
            ]
        )
        usable = item.moved[layout.owner] & ~np.isnan(distance)
        best = np.where(usable, np.minimum(best, distance), best)
    return best

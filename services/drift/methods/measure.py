"""A profile as arrays: one value and one sampling error per fixed metric, histograms, quantiles and category shares."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.drift.domain.profile import QUANTILE_LEVELS, ColumnKind, ColumnProfile, Profile
from services.drift.methods.cohens_h import phi
from services.drift.methods.layout import NUMBER_SHARES, TEXT_SHARES, Layout

Floats = npt.NDArray[np.float64]
Row = tuple[float, float]

NAN = math.nan
MISSING: Row = (NAN, NAN)
MIN_ROWS = 5
"""Below this many values a column's shares say nothing and are left out."""
BINS = 28
"""Width of a block: a histogram has at most 26 bins, a day 24 hours."""
LEVELS = np.array(QUANTILE_LEVELS)


@dataclass(frozen=True, slots=True)
class Unit:
    """Location and scale of a column, frozen at its first profile: a choice of axis, not a baseline."""

    location: float
    scale: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """One profile in arrays; NaN or a size of 0 says "not measured"."""

    values: Floats
    errors: Floats
    shares: Floats
    """[blocks, BINS]"""
    sizes: Floats
    quantiles: Floats
    """[blocks, levels]"""
    tops: tuple[Mapping[str, float], ...]
    """Per categorical column: frequent value → share of non-null rows, most frequent first."""
    top_sizes: Floats


def unit_of(column: ColumnProfile) -> Unit:
    """Axis of a column: median and tenth-to-ninetieth width, or what there is when the column is constant."""
    if column.kind is ColumnKind.TIME:
        return Unit(0.0, 3600.0)
    if column.kind is ColumnKind.TEXT:
        return Unit(column.mean or 0.0, max(1.0, column.stddev or 0.0))
    if len(column.quantiles) != len(QUANTILE_LEVELS):
        return Unit(column.mean or 0.0, abs(column.mean or 0.0) or 1.0)
    middle = column.quantiles[QUANTILE_LEVELS.index(0.5)]
    width = (column.quantiles[QUANTILE_LEVELS.index(0.9)] - column.quantiles[QUANTILE_LEVELS.index(0.1)]) / 2.56
    return Unit(middle, width or column.stddev or abs(middle) or 1.0)


def measure(profile: Profile, layout: Layout, units: Mapping[str, Unit]) -> Measurement:
    """All figures of a profile that the judge looks at. Columns must be those of the layout, in its order."""
    rows: list[Row] = [MISSING if profile.distinct_rows is None else _share(profile.rows - profile.distinct_rows, profile.rows)]
    for column in profile.columns:
        rows.extend(_fixed(column, profile.rows, units[column.name]))
    values = np.array(rows)
    shares, sizes = np.zeros((len(layout.blocks), BINS)), np.zeros(len(layout.blocks))
    quantiles = np.full((len(layout.blocks), len(LEVELS)), NAN)
    for at, index in enumerate(layout.blocks):
        _block(profile.columns[index], profile.rows, at, shares, sizes, quantiles)
    tops, top_sizes = [], np.zeros(len(layout.categorical))
    for at, index in enumerate(layout.categorical):
        column = profile.columns[index]
        nonnull = profile.rows - column.nulls
        enough = nonnull >= MIN_ROWS
        top_sizes[at] = nonnull if enough else 0
        tops.append({value: count / nonnull for value, count in column.top} if enough else {})
    return Measurement(values[:, 0], values[:, 1], shares, sizes, quantiles, tuple(tops), top_sizes)


def season_of(partition: str) -> int:
    """What repeats: the hour for partitions with a time of day, else the weekday; -1 when the key is not a date."""
    try:
        moment = dt.datetime.fromisoformat(partition)
    except ValueError:
        return -1
    return 7 + moment.hour if len(partition) > 10 else moment.weekday()


def _block(column: ColumnProfile, rows: int, at: int, shares: Floats, sizes: Floats, quantiles: Floats) -> None:
    bins = column.histogram if column.kind is ColumnKind.NUMBER else column.hours
    total = sum(bins)
    if total >= MIN_ROWS and len(bins) <= BINS:
        shares[at, : len(bins)] = np.array(bins) / total
        sizes[at] = total
    if len(column.quantiles) == len(LEVELS) and rows - column.nulls >= MIN_ROWS:
        quantiles[at] = column.quantiles


def _share(count: float, rows: int) -> Row:
    return (phi(count / rows), 1 / math.sqrt(rows)) if rows >= MIN_ROWS else MISSING


def _scaled(value: float | None, error: float, unit: Unit) -> Row:
    """asinh of standard units: linear when small, a logarithm when large."""
    if value is None:
        return MISSING
    u = (value - unit.location) / unit.scale
    return math.asinh(u), error / unit.scale / math.sqrt(1 + u * u)


def _quantile(column: ColumnProfile, rows: int, unit: Unit, level: float) -> Row:
    """A quantile's sampling error is sqrt(p(1-p)/n) over the density, read from the spacing of its neighbours."""
    q = column.quantiles
    if len(q) != len(QUANTILE_LEVELS) or rows < MIN_ROWS:
        return MISSING
    i = QUANTILE_LEVELS.index(level)
    slopes = [(q[j + 1] - q[j]) / (QUANTILE_LEVELS[j + 1] - QUANTILE_LEVELS[j]) for j in (i - 1, i) if 0 <= j < len(q) - 1]
    return _scaled(q[i], max(slopes) * math.sqrt(level * (1 - level) / rows), unit)


def _fixed(column: ColumnProfile, rows: int, unit: Unit) -> list[Row]:
    nonnull = rows - column.nulls
    null = _share(column.nulls, rows)
    counts = column.counts
    if column.kind is ColumnKind.OTHER:
        return [null]
    if column.kind is ColumnKind.FLAG:
        return [null, _share(counts.get("true", 0), nonnull)]
    if column.kind is ColumnKind.TEXT:
        enough = column.distinct is not None and nonnull >= MIN_ROWS
        distinct = (math.log((column.distinct or 0) + 1), 1 / math.sqrt(nonnull)) if enough else MISSING
        length = _scaled(column.mean, (column.stddev or 0.0) / math.sqrt(max(nonnull, 1)), unit) if nonnull >= MIN_ROWS else MISSING
        return [null, *(_share(counts.get(s, 0), nonnull) for s in TEXT_SHARES), distinct, length]
    tails = [_quantile(column, nonnull, unit, level) for level in (0.05, 0.95)]
    if column.kind is ColumnKind.TIME:
        outside = _share(counts["outside"], nonnull) if "outside" in counts else MISSING
        return [null, _share(counts.get("midnight", 0), nonnull), outside, _share(column.distinct or 0, nonnull), *tails]
    nonfinite = _share(nonnull - counts.get("finite", nonnull), nonnull)
    return [null, *(_share(counts.get(s, 0), nonnull) for s in NUMBER_SHARES), nonfinite, *tails]

"""From scores to findings: which columns, what kind of change, baseline and current figures, effect sizes and plots."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from services.drift.domain.profile import QUANTILE_LEVELS, ColumnKind, ColumnProfile, Profile
from services.drift.domain.record import CategoriesPlot, DriftKind, Found, HistogramPlot, Plot, Severity
from services.drift.methods.cramers_v import cramers_v
from services.drift.methods.distribution import DistributionSettings, Scored
from services.drift.methods.history import History
from services.drift.methods.jensen_shannon import jensen_shannon
from services.drift.methods.layout import DUPLICATES
from services.drift.methods.measure import BINS, Floats
from services.drift.methods.psi import psi
from services.drift.methods.wasserstein import wasserstein
from services.drift.methods.wording import number, percent, short, times

NAMED_PART = 0.5
"""A column is named when its surprise is at least this part of the first one's."""
MOST_COLUMNS = 5
LARGE = 0.8
OTHER = "(other)"
SHARE_WORDS = {
    "null": "null rate",
    "zero": "zeros",
    "negative": "negative values",
    "integer": "whole numbers",
    "tenth": "values with at most one decimal",
    "nonfinite": "NaN or infinite values",
    "empty": "empty text",
    "number": "values that read as numbers",
    "date": "values that read as dates",
    "upper": "upper case values",
    "lower": "lower case values",
    "trimmed": "values without outer spaces",
    "digit_first": "values that start with a digit",
    "zero_first": "values with leading zeros",
    "plain": "values in plain ASCII",
    "quoted": "values in quotes",
    "midnight": "times at midnight",
    "outside": "times outside their partition",
    "distinct_share": "distinct times",
    "true": "true",
}
CHANGES = {
    "null": "null_rate",
    "unseen": "new_values",
    "gain": "category_share",
    "category": "category_share",
    "categories": "category_mix",
    "distinct": "distinct_count",
    "q05": "value_range",
    "q95": "value_range",
    "nonfinite": "value_range",
    "ks": "distribution",
    "hellinger": "distribution",
    "quantile_ks": "distribution",
    "length": "text_length",
    "outside": "times",
    "midnight": "times",
    "distinct_share": "times",
    "negative": "sign",
    "zero": "zeros",
    "integer": "precision",
    "tenth": "precision",
    "true": "true_rate",
}
"""Metric → short name of the change; what is not here is a change of format."""


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """One column's part in a finding; an empty column stands for the table."""

    column: str
    change: str
    words: str
    baseline: float | None
    current: float | None
    surprise: float
    effects: Mapping[str, float]
    """psi, jensen_shannon, ks, wasserstein, chi_square, cramers_v, where they apply."""
    plot: Plot | None


def distribution_found(history: History, profile: Profile, scored: Scored, settings: DistributionSettings, ongoing: bool) -> Found:
    """What is said of a profile that alarms, or that stays where an earlier alarm told of (quietly then)."""
    changes = column_changes(history, profile, scored, ongoing)
    if scored.stale_since is not None:
        change, message = "stale_load", f"the load repeats that of {scored.stale_since}, value for value"
    else:
        change = changes[0].change if changes else "distribution"
        message = "; ".join(_sentence(c, with_effects=not i) for i, c in enumerate(changes[:3]))
    surprise = max((c.surprise for c in changes), default=0.0) if scored.stale_since is None else 2 * scored.threshold
    return Found(
        kind=DriftKind.DISTRIBUTION,
        change=change,
        columns=tuple(c.column for c in changes if c.column) if scored.stale_since is None else (),
        message=message + (" (since earlier)" if ongoing else ""),
        severity=Severity.INFO if ongoing else _severity(scored),
        confidence=round(1 - min(1.0, settings.effective_tests * math.exp(-surprise)), 6),
        baseline_value=changes[0].baseline if changes else None,
        current_value=changes[0].current if changes else None,
        plots=tuple(c.plot for c in changes if c.plot is not None),
    )


def column_changes(history: History, profile: Profile, scored: Scored, ongoing: bool = False) -> tuple[ColumnChange, ...]:
    """The columns that changed, in order of contribution."""
    ranked = _by_raw(scored) if ongoing else scored.by_column()
    least = ranked[0][1] * NAMED_PART if ranked else 0.0
    named = [(c, s) for c, s in ranked if s >= least][:MOST_COLUMNS]
    return tuple(_column_change(history, profile, scored, c, s) if c else _table_change(profile, s) for c, s in named)


def _sentence(change: ColumnChange, with_effects: bool) -> str:
    told = [
        f"{name} {change.effects[key]:.2f}" for key, name in (("psi", "PSI"), ("ks", "KS"), ("cramers_v", "V")) if key in change.effects
    ]
    shaped = change.change in ("distribution", "category_mix", "category_share", "new_values", "value_range")
    tail = f" ({', '.join(told)})" if told and with_effects and shaped else ""
    return (f"{change.column}: {change.words}" if change.column else change.words) + tail


def _by_raw(scored: Scored) -> list[tuple[str, float]]:
    best: dict[str, float] = {}
    for (column, _), s in zip(scored.layout.names, scored.raw.tolist(), strict=True):
        best[column] = max(best.get(column, 0.0), s)
    return sorted(((c, s) for c, s in best.items() if s > 0), key=lambda item: (-item[1], item[0]))


def _severity(scored: Scored) -> Severity:
    """Critical from Cohen's large effect (0.8 on h), a share of rows on the other side of some value counting double."""
    if scored.stale_since is not None:
        return Severity.CRITICAL
    watched = scored.surprise
    bounded = np.where(scored.layout.is_ks | scored.layout.is_hellinger, 2 * scored.effects, scored.effects)
    strong = watched >= 0.5 * watched.max(initial=0.0)
    size = float(np.nanmax(np.where(strong & ~np.isnan(bounded), bounded, 0.0), initial=0.0))
    return Severity.CRITICAL if size >= LARGE else Severity.WARNING


def _table_change(profile: Profile, surprise: float) -> ColumnChange:
    share = 1 - (profile.distinct_rows or 0) / max(1, profile.rows)
    return ColumnChange("", DUPLICATES, f"{percent(share)} of the rows are copies of another row", None, share, surprise, {}, None)


def _column_change(history: History, profile: Profile, scored: Scored, name: str, surprise: float) -> ColumnChange:
    column = profile.column(name)
    assert column is not None, "a scored column is in its profile"  # noqa: S101 - states the invariant of Scored
    index = 1 + [c for c, _ in history.columns].index(name)
    metrics = {metric: i for i, (owner, metric) in enumerate(scored.layout.names) if owner == name}
    leading = max(metrics, key=lambda m: (scored.raw[metrics[m]], m))
    baseline, current = _figures(history, scored, leading, metrics[leading], column, profile.rows)
    plot, effects = _evidence(history, profile, scored, column, index - 1)
    words = _words(history, scored, leading, baseline, current, column, profile.rows, index - 1)
    return ColumnChange(name, CHANGES.get(leading, "format"), words, baseline, current, round(surprise, 3), effects, plot)


def _known_median(ring: Floats) -> float | None:
    known = ring[~np.isnan(ring)]
    return float(np.median(known)) if len(known) else None


def _figures(history: History, scored: Scored, metric: str, at: int, column: ColumnProfile, rows: int) -> tuple[float | None, float | None]:
    """Baseline and current figure of a metric, in terms a person reads: shares, values, lengths."""
    if metric in SHARE_WORDS and at < scored.layout.fixed:
        before = _known_median(history.values[:, at])
        now = float(scored.measurement.values[at])
        return (None if before is None else math.sin(before / 2) ** 2), None if math.isnan(now) else math.sin(now / 2) ** 2
    if metric == "distinct":
        before = _known_median(history.values[:, at])
        return (None if before is None else math.expm1(before)), float(column.distinct or 0)
    if metric == "length":
        before, unit = _known_median(history.values[:, at]), history.units[column.name]
        return (None if before is None else math.sinh(before) * unit.scale + unit.location), column.mean
    middle = _median_quantiles(history, scored, column.name)
    level = QUANTILE_LEVELS.index(0.05 if metric == "q05" else 0.95 if metric == "q95" else 0.5)
    return (None if middle is None else float(middle[level])), column.quantiles[level] if column.quantiles else None


def _median_quantiles(history: History, scored: Scored, name: str) -> Floats | None:
    for at, index in enumerate(scored.layout.blocks):
        if scored.layout.columns[index][0] == name:
            ring = history.quantiles[:, at]
            known = ring[~np.isnan(ring).any(axis=1)]
            return np.median(known, axis=0) if len(known) else None
    return None


def _words(
    history: History,
    scored: Scored,
    metric: str,
    baseline: float | None,
    current: float | None,
    column: ColumnProfile,
    rows: int,
    index: int,
) -> str:
    arrow = f"{'?' if baseline is None else percent(baseline)} → {'?' if current is None else percent(current)}"
    if metric in SHARE_WORDS:
        return f"{SHARE_WORDS[metric]} {arrow}"
    if metric == "distinct":
        return f"distinct values {number(round(baseline or 0))} → {number(current or 0)}"
    if metric == "length":
        return f"mean length {number(baseline or 0)} → {number(current or 0)}"
    if metric in ("unseen", "gain", "category", "categories"):
        return _category_words(history, scored, column, rows, index)
    if column.kind is ColumnKind.TIME:
        return _time_words(history, scored, column, index)
    middle = _median_quantiles(history, scored, column.name)
    if middle is None or not column.quantiles:
        return "distribution changed"
    marks = [QUANTILE_LEVELS.index(p) for p in (0.25, 0.5, 0.75)]
    ratios = {times(float(middle[i]), column.quantiles[i]) for i in marks}
    if len(ratios) == 1 and None not in ratios:
        return str(ratios.pop())
    label = {"q05": "5th percentile", "q95": "95th percentile"}.get(metric, "median")
    if metric not in ("q05", "q95") and middle[marks[1]] == column.quantiles[marks[1]]:
        low, high = (f"{number(float(q[marks[0]]))} to {number(float(q[marks[2]]))}" for q in (middle, column.quantiles))
        return f"middle half {low} → {high}" if low != high else "distribution changed around the same median"
    return f"{label} {number(baseline or 0)} → {number(current or 0)}"


def _category_words(history: History, scored: Scored, column: ColumnProfile, rows: int, index: int) -> str:
    at = scored.layout.categorical.index(index)
    usual, top = _usual_categories(history, at), scored.measurement.tops[at]
    moves = {v: top.get(v, 0.0) - usual.get(v, 0.0) for v in {*usual, *top}}
    if not moves:
        return "frequent values changed"
    up, down = max(moves, key=lambda v: (moves[v], v)), min(moves, key=lambda v: (moves[v], v))
    new = up not in history.memories[at].seen
    gone = usual.get(down, 0.0) > 0 and top.get(down, 0.0) < 0.1 * usual[down]
    if new and gone and abs(moves[up] + moves[down]) < 0.25 * moves[up]:
        return f"category renamed: {short(down)} → {short(up)} ({percent(top[up])})"
    unseen = sum(share for value, share in top.items() if value not in history.memories[at].seen)
    if unseen > 0.5 * moves[up] and unseen > 0:
        return f"{percent(unseen)} of the values were never seen before, {short(up if new else next(iter(top)))} among them"
    if moves[up] >= -moves[down]:
        return f"{short(up)} {percent(usual.get(up, 0.0))} → {percent(top.get(up, 0.0))}"
    return f"{short(down)} {percent(usual[down])} → {percent(top.get(down, 0.0))}"


def _usual_categories(history: History, at: int) -> dict[str, float]:
    """Mean share of each followed category over accepted profiles."""
    known = history.categories[history.category_sizes[:, at] > 0, at]
    if not len(known):
        return {}
    mean = known.mean(axis=0)
    return {value: float(mean[slot]) for value, slot in history.memories[at].slots.items() if mean[slot] > 0}


def _time_words(history: History, scored: Scored, column: ColumnProfile, index: int) -> str:
    """A shift of the hours of the day when one explains the change, else the move of the middle."""
    at = scored.layout.blocks.index(index)
    known = history.shares[history.sizes[:, at] > 0, at, :24]
    if len(known) and sum(column.hours):
        usual, now = known.mean(axis=0), np.array(column.hours) / sum(column.hours)
        gaps = [float(np.abs(np.roll(usual, s) - now).sum()) for s in range(24)]
        best = int(np.argmin(gaps))
        if best and gaps[best] < 0.5 * gaps[0]:
            return f"hours of the day shifted by {best if best <= 12 else best - 24:+d} h"
    middle = _median_quantiles(history, scored, column.name)
    if middle is None or not column.quantiles:
        return "times changed"
    half = QUANTILE_LEVELS.index(0.5)
    return f"typical time {middle[half] / 3600:.1f} h → {column.quantiles[half] / 3600:.1f} h after the start of the partition"


def _evidence(
    history: History, profile: Profile, scored: Scored, column: ColumnProfile, index: int
) -> tuple[Plot | None, Mapping[str, float]]:
    """Histograms of baseline and now, with the usual effect sizes."""
    if index in scored.layout.categorical and column.top and column.kind is ColumnKind.TEXT:
        return _category_evidence(history, scored, column, index)
    if index not in scored.layout.blocks:
        return None, {}
    at = scored.layout.blocks.index(index)
    known = history.sizes[:, at] > 0
    bins = column.histogram or column.hours
    if not known.any() or not sum(bins) or len(bins) > BINS:
        return None, {}
    counts = (history.shares[known, at] * history.sizes[known, at, None]).sum(axis=0)[: len(bins)]
    baseline, now = tuple(float(c) for c in counts / counts.sum()), tuple(b / sum(bins) for b in bins)
    table = cramers_v([float(c) for c in counts], [float(b) for b in bins])
    effects = {
        "psi": psi(counts.tolist(), bins),
        "jensen_shannon": jensen_shannon(counts.tolist(), bins),
        "chi_square": table.chi_square,
        "cramers_v": table.cramers_v,
        "ks": float(np.abs(np.cumsum(baseline) - np.cumsum(now)).max()),
    }
    middle = _median_quantiles(history, scored, column.name)
    if middle is not None and column.quantiles:
        effects["wasserstein"] = wasserstein(middle.tolist(), column.quantiles, QUANTILE_LEVELS)
    rounded = {k: round(v, 4) for k, v in effects.items()}
    if column.histogram:
        return HistogramPlot(column.name, column.edges, baseline, now), rounded
    return CategoriesPlot(column.name, tuple(f"{h:02d}" for h in range(24)), baseline, now), rounded


def _category_evidence(history: History, scored: Scored, column: ColumnProfile, index: int) -> tuple[Plot | None, Mapping[str, float]]:
    at = scored.layout.categorical.index(index)
    usual, top = _usual_categories(history, at), scored.measurement.tops[at]
    names = sorted({*list(usual)[:20], *list(top)[:20]}, key=lambda v: (-usual.get(v, 0.0), -top.get(v, 0.0), v))[:20]
    before, now = [usual.get(v, 0.0) for v in names], [top.get(v, 0.0) for v in names]
    if not sum(before) or not sum(now):
        return None, {}
    rest = max(0.0, 1 - sum(before)), max(0.0, 1 - sum(now))
    size = max(1.0, float(scored.measurement.top_sizes[at]))
    table = cramers_v([v * size for v in (*before, rest[0])], [v * size for v in (*now, rest[1])])
    effects = {
        "psi": psi([v * size for v in (*before, rest[0])], [v * size for v in (*now, rest[1])]),
        "jensen_shannon": jensen_shannon([*before, rest[0]], [*now, rest[1]]),
        "chi_square": table.chi_square,
        "cramers_v": table.cramers_v,
    }
    plot = CategoriesPlot(column.name, (*names, OTHER), (*before, rest[0]), (*now, rest[1]))
    return plot, {k: round(v, 4) for k, v in effects.items()}

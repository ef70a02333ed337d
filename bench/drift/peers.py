"""Default rules of peers, rebuilt: on the same profiles for distributions, on the same counts for volume.

Evidently's preset: per column KS p < 0.05 or chi-square p < 0.05 up to 1,000 rows, else normed Wasserstein or Jensen–Shannon > 0.1; the
table drifts when half of its columns do. The reference window is the 14 partitions before. Distances read histograms instead of rows,
which loses little. Deequ-like: any metric outside the past minimum and maximum by more than a tenth. None of them sees labels.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from scipy.stats import kstwobign

from services.drift.domain.profile import QUANTILE_LEVELS, ColumnKind, ColumnProfile, Profile
from services.drift.methods.cramers_v import cramers_v
from services.drift.methods.jensen_shannon import jensen_shannon
from services.drift.methods.psi import psi
from services.drift.methods.wasserstein import wasserstein

Row = dict[str, Any]
WINDOW = 14
Rule = Callable[[Sequence[Profile], Profile], tuple[bool, list[str]]]


def _counts(column: ColumnProfile) -> tuple[dict[str, float], bool]:
    """Counts by bin or by value, and whether bins are ordered."""
    if column.kind is ColumnKind.TEXT:
        return {v: float(n) for v, n in column.top}, False
    return {f"{i:03d}": float(n) for i, n in enumerate(column.histogram or column.hours)}, True


def _pairs(
    past: Sequence[Profile], now: Profile
) -> list[tuple[str, list[float], list[float], bool, Sequence[ColumnProfile], ColumnProfile]]:
    out = []
    for i, column in enumerate(now.columns):
        before: Sequence[ColumnProfile] = [p.columns[i] for p in past if i < len(p.columns)]
        current, ordered = _counts(column)
        pooled: dict[str, float] = {}
        for b in before:
            for key, n in _counts(b)[0].items():
                pooled[key] = pooled.get(key, 0.0) + n
        keys = sorted({*pooled, *current})
        if sum(pooled.values()) and sum(current.values()):
            out.append((column.name, [pooled.get(k, 0.0) for k in keys], [current.get(k, 0.0) for k in keys], ordered, before, column))
    return out


def _ks(before: list[float], now: list[float]) -> tuple[float, float]:
    n, m, gap, a, b = sum(before), sum(now), 0.0, 0.0, 0.0
    for x, y in zip(before, now, strict=True):
        a, b = a + x / n, b + y / m
        gap = max(gap, abs(a - b))
    return gap, float(kstwobign.sf(gap * math.sqrt(n * m / (n + m))))


def any_ks(past: Sequence[Profile], now: Profile) -> tuple[bool, list[str]]:
    found = [(p, name) for name, b, c, ordered, _, _ in _pairs(past, now) if ordered and (p := _ks(b, c)[1]) < 0.05]
    return bool(found), [name for _, name in sorted(found)]


def any_psi(past: Sequence[Profile], now: Profile) -> tuple[bool, list[str]]:
    found = [(-v, name) for name, b, c, _, _, _ in _pairs(past, now) if (v := psi(b, c)) > 0.2]
    return bool(found), [name for _, name in sorted(found)]


def evidently(past: Sequence[Profile], now: Profile) -> tuple[bool, list[str]]:
    pairs = _pairs(past, now)
    drifted = [name for name, b, c, ordered, before, column in pairs if _evidently_column(b, c, ordered, before, column)]
    return len(drifted) >= 0.5 * max(1, len(pairs)), drifted


def _evidently_column(b: list[float], c: list[float], ordered: bool, before: Sequence[ColumnProfile], column: ColumnProfile) -> bool:
    if sum(b) <= 1000:
        return (_ks(b, c)[1] if ordered else cramers_v(b, c).p_value) < 0.05
    known = [x for x in before if x.quantiles]
    if not ordered or not column.quantiles or not known:
        return jensen_shannon(b, c) > 0.1
    middle = [statistics.fmean(x.quantiles[i] for x in known) for i in range(len(QUANTILE_LEVELS))]
    deviation = statistics.fmean(x.stddev or 0.0 for x in known) or 1e-9
    return wasserstein(middle, column.quantiles, QUANTILE_LEVELS) / deviation > 0.1


def _metrics(profile: Profile) -> dict[tuple[str, str], float]:
    out = {("", "rows"): float(profile.rows)}
    for c in profile.columns:
        out[(c.name, "null")] = c.nulls / max(1, profile.rows)
        for figure, value in (("low", c.low), ("high", c.high), ("mean", c.mean), ("stddev", c.stddev), ("distinct", c.distinct)):
            if value is not None and not (c.kind is ColumnKind.TIME and figure in ("low", "high")):
                out[(c.name, figure)] = float(value)
    return out


def constraints(past: Sequence[Profile], now: Profile) -> tuple[bool, list[str]]:
    history, names = [_metrics(p) for p in past], []
    for key, value in _metrics(now).items():
        known = [h[key] for h in history if key in h]
        if len(known) >= 5:
            low, high = min(known), max(known)
            slack = 0.1 * max(abs(low), abs(high))
            if not low - slack <= value <= high + slack:
                names.append(key[0])
    return bool(names), [n for n in names if n]


def z_scores(past: Sequence[Profile], now: Profile) -> tuple[bool, list[str]]:
    history, found = [_metrics(p) for p in past], []
    for key, value in _metrics(now).items():
        known = [h[key] for h in history if key in h]
        if len(known) >= 5 and (deviation := statistics.stdev(known)) > 0 and (z := abs(value - statistics.fmean(known)) / deviation) > 3:
            found.append((-z, key[0]))
    return bool(found), [n for _, n in sorted(found) if n]


DISTRIBUTION_PEERS: dict[str, Rule] = {
    "Evidently default preset (rebuilt)": evidently,
    "KS p < 0.05, any column": any_ks,
    "PSI > 0.2, any column": any_psi,
    "Deequ-like constraints": constraints,
    "z 3 per metric, 14 days": z_scores,
}


def distribution_peer(rule: Rule, streams: dict[str, list[Profile]]) -> list[Row]:
    """Predictions of a rule. Base partitions are shared by many streams, so equal windows are judged once."""
    rows, known = [], {}
    for stream, parts in streams.items():
        filled = [p for p in parts if p.rows]
        for i, profile in enumerate(filled):
            past = filled[max(0, i - WINDOW) : i]
            key = (id(profile), *(id(p) for p in past))
            if key not in known:
                known[key] = rule(past, profile) if len(past) >= 3 else (False, [])
            alert, columns = known[key]
            rows.append({"stream": stream, "partition": profile.partition, "alert": alert, "columns": columns[:3]})
    return rows


def _rate_of_change(past: Sequence[float], now: float, _: Any) -> bool:
    return bool(past) and (now > 2 * past[-1] or now < 0.5 * past[-1])


def _z(past: Sequence[float], now: float) -> float:
    if len(past) < 5:
        return 0.0
    deviation = statistics.stdev(past)
    return abs(now - statistics.fmean(past)) / deviation if deviation else 0.0


def _z_28(past: Sequence[float], now: float, _: Any) -> bool:
    return _z(past[-28:], now) > 3


def _z_14_inside(past: Sequence[float], now: float, _: Any) -> bool:
    """The tested point in its own window, as Elementary's default."""
    return _z([*past[-13:], now], now) > 3


def _z_weekday(past: Sequence[float], now: float, step: int) -> bool:
    return _z(past[::-1][step - 1 :: step][:8], now) > 3


def _percentile_change(past: Sequence[float], now: float, _: Any) -> bool:
    """DQOps-like: the change since yesterday outside the middle 99 % of the changes of 90 days, and large."""
    changes = [b - a for a, b in zip(past[-91:], past[-90:], strict=False)]
    if len(changes) < 20:
        return False
    middle, deviation = statistics.fmean(changes), statistics.stdev(changes)
    return deviation > 0 and abs(now - past[-1] - middle) > 2.58 * deviation


VOLUME_PEERS: dict[str, Callable[[Sequence[float], float, int], bool]] = {
    "Deequ-like rate of change": _rate_of_change,
    "Elementary-like z 3, 14 days": _z_14_inside,
    "Elementary-like z 3 by weekday": _z_weekday,
    "DQOps-like change": _percentile_change,
    "z 3 over 28 days": _z_28,
}


def volume_peer(rule: Callable[[Sequence[float], float, int], bool], series: dict[str, Any]) -> list[Row]:
    rows = []
    for name, (counts, meta) in series.items():
        step = {"D": 7, "h": 168, "W": 1}[meta["freq"]]
        past: list[float] = []
        for moment, count in zip(counts.index, counts.to_numpy(), strict=True):
            rows.append({"series": name, "ts": str(moment), "alert": rule(past[-1400:], float(count), step)})
            past.append(float(count))
    return rows

"""Default rules of peers, rebuilt: on the same profiles for distributions, on the same counts for volume.

Evidently's preset: per column KS p < 0.05 or chi-square p < 0.05 up to 1,000 rows, else normed Wasserstein or Jensen–Shannon > 0.1; the
table drifts when half of its columns do. The reference window is the 14 partitions before. Distances read histograms instead of rows,
which loses little. Deequ-like: any metric outside the past minimum and maximum by more than a tenth. None of them sees labels.
"""

from __future__ import annotations

import math
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
Pair = tuple[str, list[float], list[float], bool, Sequence[ColumnProfile], ColumnProfile]
"""Column, counts before, counts now, whether bins are ordered, profiles before, profile now."""
Metrics = dict[tuple[str, str], float]
Answer = tuple[bool, list[str]]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _deviation(values: Sequence[float]) -> float:
    middle = _mean(values)
    return math.sqrt(sum((v - middle) ** 2 for v in values) / (len(values) - 1))


def _counts(column: ColumnProfile) -> tuple[dict[str, float], bool]:
    """Counts by bin or by value, and whether bins are ordered."""
    if column.kind is ColumnKind.TEXT:
        return {v: float(n) for v, n in column.top}, False
    return {f"{i:03d}": float(n) for i, n in enumerate(column.histogram or column.hours)}, True


def _pairs(past: Sequence[Profile], now: Profile) -> list[Pair]:
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


def any_ks(pairs: Sequence[Pair]) -> Answer:
    found = [(p, name) for name, b, c, ordered, _, _ in pairs if ordered and (p := _ks(b, c)[1]) < 0.05]
    return bool(found), [name for _, name in sorted(found)]


def any_psi(pairs: Sequence[Pair]) -> Answer:
    found = [(-v, name) for name, b, c, _, _, _ in pairs if (v := psi(b, c)) > 0.2]
    return bool(found), [name for _, name in sorted(found)]


def evidently(pairs: Sequence[Pair]) -> Answer:
    drifted = [name for name, b, c, ordered, before, column in pairs if _evidently_column(b, c, ordered, before, column)]
    return len(drifted) >= 0.5 * max(1, len(pairs)), drifted


def _evidently_column(b: list[float], c: list[float], ordered: bool, before: Sequence[ColumnProfile], column: ColumnProfile) -> bool:
    if sum(b) <= 1000:
        return (_ks(b, c)[1] if ordered else cramers_v(b, c).p_value) < 0.05
    known = [x for x in before if x.quantiles]
    if not ordered or not column.quantiles or not known:
        return jensen_shannon(b, c) > 0.1
    middle = [_mean([x.quantiles[i] for x in known]) for i in range(len(QUANTILE_LEVELS))]
    deviation = _mean([x.stddev or 0.0 for x in known]) or 1e-9
    return wasserstein(middle, column.quantiles, QUANTILE_LEVELS) / deviation > 0.1


def _metrics(profile: Profile) -> Metrics:
    out = {("", "rows"): float(profile.rows)}
    for c in profile.columns:
        out[(c.name, "null")] = c.nulls / max(1, profile.rows)
        for figure, value in (("low", c.low), ("high", c.high), ("mean", c.mean), ("stddev", c.stddev), ("distinct", c.distinct)):
            if value is not None and not (c.kind is ColumnKind.TIME and figure in ("low", "high")):
                out[(c.name, figure)] = float(value)
    return out


def constraints(history: Sequence[Metrics], now: Metrics) -> Answer:
    names = []
    for key, value in now.items():
        known = [h[key] for h in history if key in h]
        if len(known) >= 5:
            low, high = min(known), max(known)
            slack = 0.1 * max(abs(low), abs(high))
            if not low - slack <= value <= high + slack:
                names.append(key[0])
    return bool(names), [n for n in names if n]


def z_scores(history: Sequence[Metrics], now: Metrics) -> Answer:
    found = []
    for key, value in now.items():
        known = [h[key] for h in history if key in h]
        if len(known) >= 5 and (deviation := _deviation(known)) > 0 and (z := abs(value - _mean(known)) / deviation) > 3:
            found.append((-z, key[0]))
    return bool(found), [n for _, n in sorted(found) if n]


SHAPE_RULES: dict[str, Callable[[Sequence[Pair]], Answer]] = {
    "Evidently default preset (rebuilt)": evidently,
    "KS p < 0.05, any column": any_ks,
    "PSI > 0.2, any column": any_psi,
}
METRIC_RULES: dict[str, Callable[[Sequence[Metrics], Metrics], Answer]] = {
    "Deequ-like constraints": constraints,
    "z 3 per metric, 14 days": z_scores,
}


def distribution_peers(streams: dict[str, list[Profile]]) -> dict[str, list[Row]]:
    """Predictions of all rules. Base partitions are shared by many streams, so equal windows are judged once."""
    rows: dict[str, list[Row]] = {name: [] for name in (*SHAPE_RULES, *METRIC_RULES)}
    metrics = {id(p): _metrics(p) for parts in streams.values() for p in parts}
    known: dict[tuple[int, ...], dict[str, Answer]] = {}
    for stream, parts in streams.items():
        filled = [p for p in parts if p.rows]
        for i, profile in enumerate(filled):
            past = filled[max(0, i - WINDOW) : i]
            key = (id(profile), *(id(p) for p in past))
            if key not in known:
                known[key] = _answers(past, profile, metrics) if len(past) >= 3 else {}
            for name, out in rows.items():
                alert, columns = known[key].get(name, (False, []))
                out.append({"stream": stream, "partition": profile.partition, "alert": alert, "columns": columns[:3]})
    return rows


def _answers(past: Sequence[Profile], now: Profile, metrics: dict[int, Metrics]) -> dict[str, Answer]:
    pairs, history = _pairs(past, now), [metrics[id(p)] for p in past]
    shapes = {name: rule(pairs) for name, rule in SHAPE_RULES.items()}
    return shapes | {name: rule(history, metrics[id(now)]) for name, rule in METRIC_RULES.items()}


def _rate_of_change(past: Sequence[float], now: float, _: Any) -> bool:
    return bool(past) and (now > 2 * past[-1] or now < 0.5 * past[-1])


def _z(past: Sequence[float], now: float) -> float:
    if len(past) < 5:
        return 0.0
    deviation = _deviation(past)
    return abs(now - _mean(past)) / deviation if deviation else 0.0


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
    middle, deviation = _mean(changes), _deviation(changes)
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

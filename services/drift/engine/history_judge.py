"""Answers single checks: a metric over time by the forecast of the number of rows, a distribution by the usual measures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from scipy.special import kolmogorov

from services.drift.app.ports import MetricBand
from services.drift.domain.history_checks import Method
from services.drift.domain.profile import QUANTILE_LEVELS, ColumnKind, ColumnProfile
from services.drift.domain.watch_settings import WatchSettings
from services.drift.methods.cramers_v import cramers_v
from services.drift.methods.judge import volume_settings
from services.drift.methods.psi import psi
from services.drift.methods.volume import VolumeJudgement, judge_volume
from services.drift.methods.volume_state import VolumeState
from services.drift.methods.wasserstein import wasserstein

_BOTTOM, _TOP = 1000.0, 2000.0
"""Where the range of a metric's past is put before it is forecast, which is made for counts and judges by ratios."""
_LEAST_PERCENT = 5.0
"""Range that a percentage is taken to have at least, in points: smaller moves interest nobody."""
_LEAST_SHARE = 0.1
"""The same for other metrics, as a share of their level."""


class EngineHistoryJudge:
    """`app.ports.HistoryJudge`."""

    def band(self, points: Sequence[tuple[datetime, float]], metric: str, settings: WatchSettings) -> MetricBand | None:
        scale = (0.0, 1.0) if metric == "row_count" else _scale([value for _, value in points[:-1]], metric)
        judged = _folded([(at, _scaled(value, scale)) for at, value in points], settings)
        if judged is None or judged.low is None or judged.high is None:
            return None
        low, high = (_unscaled(value, scale) for value in (judged.low, judged.high))
        least = max(low, 0.0) if metric.startswith(("missing", "row")) else low
        return MetricBand(least, min(high, 100.0) if metric.endswith("percent") else high, judged.score)

    def distance(self, method: Method, past: Sequence[ColumnProfile], current: ColumnProfile) -> float | None:
        if method in (Method.SWD, Method.SEMD):
            return _standardised_distance(past, current)
        before, now = _counts(past, current)
        if not sum(before) or not sum(now):
            return None
        if method is Method.PSI:
            return psi(before, now)
        if method is Method.CHI_SQUARE:
            return cramers_v(before, now).p_value
        return _smirnov_p_value(before, now)


def _scale(past: Sequence[float], metric: str) -> tuple[float, float]:
    """What is taken away, and what one thousandth of the range is: (0, 1) leaves a value as it is."""
    if not past:
        return 0.0, 1.0
    low, high = min(past), max(past)
    least = _LEAST_PERCENT if metric.endswith("percent") else _LEAST_SHARE * max(abs(low), abs(high), 1.0)
    width = max(high - low, least)
    return low - _BOTTOM * width / (_TOP - _BOTTOM), width / (_TOP - _BOTTOM)


def _scaled(value: float, scale: tuple[float, float]) -> float:
    return max(0.0, (value - scale[0]) / scale[1])


def _unscaled(value: float, scale: tuple[float, float]) -> float:
    return value * scale[1] + scale[0]


def _folded(points: Sequence[tuple[datetime, float]], settings: WatchSettings) -> VolumeJudgement | None:
    """The judgement of the last point, by those before it."""
    own, state, judged = volume_settings(settings), VolumeState(), None
    for at, value in points:
        judged, state = judge_volume(state, at, value, own)
    return judged


def _counts(past: Sequence[ColumnProfile], current: ColumnProfile) -> tuple[list[float], list[float]]:
    """Rows by interval, hour or value: of the past pooled, and of now."""
    if current.kind is ColumnKind.NUMBER and current.histogram:
        same = [column for column in past if column.edges == current.edges and column.histogram]
        return _pooled([column.histogram for column in same], len(current.histogram)), [float(count) for count in current.histogram]
    if current.kind is ColumnKind.TIME and current.hours:
        return _pooled([column.hours for column in past if column.hours], len(current.hours)), [float(count) for count in current.hours]
    return _value_counts(past, current)


def _pooled(histograms: Sequence[Sequence[int]], width: int) -> list[float]:
    return [float(sum(histogram[at] for histogram in histograms)) for at in range(width)]


def _value_counts(past: Sequence[ColumnProfile], current: ColumnProfile) -> tuple[list[float], list[float]]:
    before: dict[str, float] = {}
    for column in past:
        for value, count in column.top:
            before[value] = before.get(value, 0.0) + count
    now = dict(current.top)
    values = sorted({*before, *now})
    return [before.get(value, 0.0) for value in values], [float(now.get(value, 0)) for value in values]


def _smirnov_p_value(before: Sequence[float], now: Sequence[float]) -> float:
    """Two-sample test of N. Smirnov (1948) by its limiting distribution, with D taken at the edges."""
    shares = (np.cumsum(counts) / sum(counts) for counts in (before, now))
    distance = float(np.abs(np.subtract(*shares)).max())
    size = sum(before) * sum(now) / (sum(before) + sum(now))
    return float(kolmogorov(math.sqrt(size) * distance))


def _standardised_distance(past: Sequence[ColumnProfile], current: ColumnProfile) -> float | None:
    """Wasserstein distance in standard deviations of the past; None without quantiles or spread."""
    curves = [column.quantiles for column in past if len(column.quantiles) == len(QUANTILE_LEVELS)]
    spreads = [column.stddev for column in past if column.stddev]
    if not curves or not spreads or len(current.quantiles) != len(QUANTILE_LEVELS):
        return None
    usual = np.median(np.array(curves), axis=0)
    return wasserstein(usual.tolist(), current.quantiles, QUANTILE_LEVELS) / float(np.median(spreads))

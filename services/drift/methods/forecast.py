"""A bank of small predictors in log space, and the error each has had lately.

Exponential smoothing with a season index (Holt 1957, Winters 1960) at two speeds, the median of the same season, the last value carried
over, and the same day a year ago moved by the change of level. The one with the lowest discounted absolute error leads; one whose error
is nearly as low may take its place when it is nearer (a forecast is doubted before a load is). Updates are clipped at three standard
errors, so that one odd point that was accepted does not carry the level away (Gelper, Fried, Croux 2010).
"""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.drift.methods.seasons import holiday_name, near_holiday, primary_class, secondary_class
from services.drift.methods.volume_state import VolumeState

DAY = 86_400.0
FAST, SLOW, SEASON, COARSE = 0.3, 0.06, 0.15, 0.1
MEMORY = 0.96
CLOSE = 1.5
"""A predictor whose error is within this factor of the best may be used instead."""
CANDIDATES = 3
RELEVANT = 0.08
"""Smallest relevant move of a count, in log units: 8 %."""
YEAR = 400


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time as the forecast sees it."""

    at: dt.datetime
    step: float
    season: int
    coarse: int
    holiday: str | None
    near: bool
    """Next to a public holiday."""
    around: bool
    """Two or three days from one."""


@dataclass(frozen=True, slots=True)
class Forecast:
    value: float
    """Expected ln(1 + n)."""
    error: float
    """Standard error that a move is measured by: learned scale, counting noise, smallest relevant move."""
    predictions: tuple[float | None, ...]

    @property
    def rows(self) -> float:
        return max(0.0, math.expm1(min(self.value, 40.0)))


def moment_of(at: dt.datetime, step: float, country: str | None) -> Moment:
    """Classes and holidays of a moment; a week counts as holiday when one lies in the seven days that end with it."""
    season, coarse, day = primary_class(at, step), secondary_class(at, step), at.date()
    if not country:
        return Moment(at, step, season, coarse, None, False, False)
    if step > DAY:
        names = (holiday_name(country, day - dt.timedelta(days=d)) for d in range(7))
        return Moment(at, step, season, coarse, next((n for n in names if n), None), False, False)
    around = any(holiday_name(country, day + dt.timedelta(days=d)) for d in (-3, -2, 2, 3))
    return Moment(at, step, season, coarse, holiday_name(country, day), near_holiday(country, day), around)


def year_ago(at: dt.datetime) -> str:
    """Same weekday of last year."""
    return (at - dt.timedelta(days=364)).isoformat()


def predict(state: VolumeState, moment: Moment) -> tuple[float | None, ...]:
    """What each predictor expects, None where it cannot say."""
    if state.fast is None or state.slow is None:
        return (None,) * len(state.errors)
    coarse = state.coarse.get(moment.coarse, 0.0)
    index = state.season.get(moment.season, coarse)
    recent = state.recent.get(moment.season)
    past = state.year.get(year_ago(moment.at)) if moment.step >= DAY else None
    return (
        statistics.median(recent) if recent else None,
        state.fast + index,
        state.slow + index,
        state.fast + coarse,
        state.last[0] + index - state.last[1] if state.last else None,
        past[0] + state.fast - past[1] if past else None,
    )


def forecast(state: VolumeState, moment: Moment, y: float) -> Forecast | None:
    """The forecast for a moment, or None before the first point. `y` only chooses among predictors that are equally good."""
    predictions = predict(state, moment)
    known = [e for e in state.errors if e is not None]
    unknown = max(known) * 1.2 if known else 1.0
    ranked = sorted(
        (unknown if e is None else e, i) for i, (p, e) in enumerate(zip(predictions, state.errors, strict=True)) if p is not None
    )
    if not ranked:
        return None
    candidates = [p for e, i in ranked[:CANDIDATES] if e < CLOSE * ranked[0][0] or i == ranked[0][1] if (p := predictions[i]) is not None]
    value = min(candidates, key=lambda p: abs(y - p))
    base = state.scale if state.scale is not None else 0.5
    scale = math.sqrt((state.scales.get(moment.coarse, base) ** 2 + base * base) / 2)
    rows = max(math.expm1(min(value, 40.0)), 1.0)
    return Forecast(value, math.sqrt(scale * scale + 0.64 / rows + RELEVANT**2), predictions)


def accept(state: VolumeState, moment: Moment, y: float, made: Forecast | None) -> VolumeState:
    """The bank after an accepted point. Public holidays leave levels and seasons alone."""
    if made is not None and not (moment.holiday or moment.near):
        state = _learn_errors(state, moment, y, made)
    if not moment.holiday or state.fast is None:
        state = _learn_levels(state, moment, y, made)
    year = dict(state.year)
    if moment.step >= DAY and state.fast is not None:
        year[moment.at.isoformat()] = (y, state.fast)
        for old in list(year)[: max(0, len(year) - YEAR)]:
            del year[old]
    return replace(state, year=year)


def _learn_errors(state: VolumeState, moment: Moment, y: float, made: Forecast) -> VolumeState:
    """Discounted absolute errors; each is capped at a few times what it was, so that one shock does not blind the judge."""
    keep = MEMORY if state.points > 20 else 0.8
    errors = tuple(_blend(e, None if p is None else abs(y - p), keep, 4.0) for p, e in zip(made.predictions, state.errors, strict=True))
    error = abs(y - made.value)
    scale = _blend(state.scale, min(error, 4 * (state.scale or 1.0)), MEMORY if state.points > 30 else 0.85, 4.0)
    own = state.scales.get(moment.coarse)
    group = min(error, 4 * (state.scale or 1.0)) if own is None else 0.9 * own + 0.1 * min(error, 4 * own + 0.05)
    return replace(state, errors=errors, scale=scale, scales={**state.scales, moment.coarse: group})


def _blend(old: float | None, fresh: float | None, keep: float, cap: float) -> float | None:
    if fresh is None:
        return old
    return fresh if old is None else keep * old + (1 - keep) * min(fresh, cap * old)


def _learn_levels(state: VolumeState, moment: Moment, y: float, made: Forecast | None) -> VolumeState:
    fast, slow = (y, y) if state.fast is None or state.slow is None else (state.fast, state.slow)
    clipped = y if made is None else made.value + max(-3 * made.error, min(3 * made.error, y - made.value))
    index, coarse = state.season.get(moment.season), state.coarse.get(moment.coarse)
    level = clipped - (index if index is not None else state.coarse.get(moment.coarse, 0.0))
    fast += (FAST if state.points > 10 else 0.4) * (level - fast)
    slow += (SLOW if state.points > 40 else 1 / (state.points + 2)) * (level - slow)
    index = clipped - slow if index is None else index + SEASON * (clipped - slow - index)
    coarse = clipped - slow if coarse is None else coarse + COARSE * (clipped - slow - coarse)
    recent = (*state.recent.get(moment.season, ()), y)[-5:]
    return replace(
        state,
        fast=fast,
        slow=slow,
        season=_put(state.season, moment.season, index),
        coarse=_put(state.coarse, moment.coarse, coarse),
        recent={**state.recent, moment.season: recent},
        last=(y, index),
    )


def _put(table: Mapping[int, float], key: int, value: float) -> dict[int, float]:
    return {**table, key: value}


def shift(state: VolumeState, by: float) -> VolumeState:
    """The bank at a new level, after a level shift has been adopted or accepted."""
    return replace(
        state,
        fast=None if state.fast is None else state.fast + by,
        slow=None if state.slow is None else state.slow + by,
        recent={c: tuple(v + by for v in values) for c, values in state.recent.items()},
        window=tuple(v + by for v in state.window),
        last=None if state.last is None else (state.last[0] + by, state.last[1]),
        pending=(),
        pending_zero=False,
    )

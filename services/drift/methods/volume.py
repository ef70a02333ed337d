"""Volume drift: is this many rows what the dataset's own past would make one expect?

The forecast error in standard errors is judged by the tail of the series' own accepted errors, upwards and downwards apart, so a series
with wild spikes earns a wide band above and keeps a narrow one below. Empty loads, repeated counts and slow moves are rules of their own
on the same scale of surprise (-ln P). A point that alarms does not train; a level that holds is adopted after a set time, and said so.
"""

from __future__ import annotations

import datetime as dt
import math
import statistics
from dataclasses import dataclass, field, replace

from services.drift.methods.exceedance import ExcessPrior, Tail, fit_tail
from services.drift.methods.forecast import DAY, RELEVANT, Forecast, Moment, accept, forecast, moment_of, shift
from services.drift.methods.volume_state import VolumeState

SLOW_WINDOWS = (5, 10)
SLOW_WEIGHT = 0.75
"""Slow moves are searched over several windows on every point: their surprise counts for less."""
RING, SLOW_RING = 300, 200


@dataclass(frozen=True, slots=True)
class VolumeSettings:
    budget: float = 1 / 200
    """False alarms a clean load may raise."""
    effective_tests: float = 3.65
    """Independent looks per load: up, down, empty, repeated, slow."""
    sensitivity: float = 1.0
    country: str | None = None
    """ISO country whose public holidays the table follows."""
    step_seconds: float = DAY
    adopt_after: int | None = None
    """Points at a new level until it is taken as normal; None: 24 hours, 7 days or 3 weeks by the step."""
    warm_up: int | None = None
    """Points before which nothing is said; None: two weeks of hours, four of days, twenty of weeks."""
    prior: ExcessPrior = field(default_factory=ExcessPrior)

    @property
    def threshold(self) -> float:
        return math.log(self.effective_tests / self.budget) / self.sensitivity

    @property
    def hold(self) -> int:
        return self.adopt_after or (24 if self.step_seconds < DAY else 7 if self.step_seconds < 6 * DAY else 3)

    @property
    def first(self) -> int:
        return self.warm_up if self.warm_up is not None else (336 if self.step_seconds < DAY else 28 if self.step_seconds < 6 * DAY else 20)

    @property
    def follow_up(self) -> int:
        """Points within which a smaller alarm is the same story."""
        return 9 if self.step_seconds < DAY else 3 if self.step_seconds < 6 * DAY else 2


@dataclass(frozen=True, slots=True)
class VolumeJudgement:
    alert: bool
    ongoing: bool
    """Away from the forecast, but announced before."""
    score: float
    """Surprise over the threshold; 1 and above is out of the ordinary."""
    kind: str
    """drop, spike, empty, repeated, slow_drop, slow_rise, or "" when all is well."""
    rows: float
    expected: float | None
    low: float | None
    high: float | None
    """Band beyond which a load alarms; None while it cannot be known."""
    detectable_drop: float | None
    """Smallest drop that would be seen today, as a share of the expected rows."""
    adopted_shift: float | None
    """Ratio of the new level to the old, when it was taken as normal at this point."""


@dataclass(frozen=True, slots=True)
class _Move:
    z: float
    surprise: float
    kind: str


def judge_volume(state: VolumeState, at: dt.datetime, rows: float, settings: VolumeSettings) -> tuple[VolumeJudgement, VolumeState]:
    """Judgement of one load and the state after it. Loads must come in order of time; a gap is the caller's (see `missing_loads`)."""
    moment, y = moment_of(at, settings.step_seconds, settings.country), math.log1p(rows)
    made = forecast(state, moment, y)
    move = _Move(0.0, 0.0, "") if made is None else _largest_move(state, moment, y, rows, made, settings)
    state = state if made is None else _remember_slow(state, moment, y, settings)
    slow = move.kind.startswith("slow")
    away = move.surprise > settings.threshold and state.points >= settings.first and not (slow and state.cooldown)
    ongoing = away and not slow and made is not None and _is_same_story(state, move, y, rows, made, settings)
    judgement = _describe(state, move, rows, made, settings, away, ongoing)
    after = _advance(state, moment, y, rows, made, move, away, away and not ongoing, settings)
    after, adopted = _adopt(after, rows, settings)
    return replace(judgement, adopted_shift=adopted), after


def missing_loads(last: dt.datetime, now: dt.datetime, step_seconds: float, limit: int = 60) -> list[dt.datetime]:
    """Moments of loads that should lie between two points, oldest first, at most `limit`: feed them as 0 rows, so a stall is seen.

    >>> missing_loads(dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 4), 86400.0)
    [datetime.datetime(2024, 1, 2, 0, 0), datetime.datetime(2024, 1, 3, 0, 0)]
    """
    count = round((now - last).total_seconds() / step_seconds) - 1
    return [last + dt.timedelta(seconds=step_seconds * (i + 1)) for i in range(max(0, min(count, limit)))]


def _largest_move(state: VolumeState, moment: Moment, y: float, rows: float, made: Forecast, settings: VolumeSettings) -> _Move:
    z = _standardised(state, moment, y, made)
    tail = _tail(state, z > 0, settings.prior)
    best = _Move(z, tail.surprise(abs(z)), "spike" if z > 0 else "drop")
    if rows == 0:
        return _Move(z, _empty_surprise(state, moment, made, best.surprise), "empty")
    repeated = _repeat_surprise(state, rows, made)
    if repeated > best.surprise:
        best = _Move(z, repeated, "repeated")
    if moment.step >= DAY and not (moment.holiday or moment.near):
        for width, (size, direction) in _slow_moves(state, moment, y).items():
            past = state.slow_moves.get(width, ())
            surprise = SLOW_WEIGHT * fit_tail(past, settings.prior).surprise(size) if len(past) >= 30 else 0.0
            if surprise > best.surprise:
                best = _Move(z, surprise, "slow_rise" if direction > 0 else "slow_drop")
    return best


def _tail(state: VolumeState, upwards: bool, prior: ExcessPrior) -> Tail:
    """Tail of past errors on one side; of both while that side has too few."""
    own = state.ups if upwards else state.downs
    return fit_tail(own if len(own) >= prior.enough else (*state.ups, *state.downs), prior)


def _standardised(state: VolumeState, moment: Moment, y: float, made: Forecast) -> float:
    """Error in standard errors. On and next to holidays anything between a quiet day and a normal one is normal, and so is a Sunday."""
    z = (y - made.value) / made.error
    if not (moment.holiday or moment.near):
        return z / 1.3 if moment.around else z
    quiet = min(state.quiet) if state.quiet else made.value - 1.5
    known = state.holidays.get(moment.holiday) if moment.holiday else None
    if moment.near and not moment.holiday:
        floor = made.value - 0.6
    else:
        floor = min(made.value + known, made.value) if known is not None else min(quiet, made.value - 1.0)
    z = 0.0 if floor <= y <= made.value else (y - floor) / made.error if y < floor else z
    z /= 2
    if moment.step <= DAY and state.fast is not None:
        hour = moment.at.hour
        for weekend in (6 * 24 + hour, 5 * 24 + hour) if moment.step < DAY else (6, 5):
            if weekend in state.season:
                z = min(z, (y - state.fast - state.season[weekend]) / made.error / 1.5, key=abs)
    return z


def _empty_surprise(state: VolumeState, moment: Moment, made: Forecast, surprise: float) -> float:
    """An empty load is as surprising as its share of past loads of that class, or as a Poisson count of 0, whichever is milder."""
    zeros, loads = state.zeros.get(moment.coarse, (0, 0))
    all_zeros, all_loads = (sum(v[i] for v in state.zeros.values()) for i in (0, 1))
    usual = (all_zeros + 0.5) / (all_loads + 1)
    share = max(min((zeros + 8 * usual) / (loads + 8), 1.0), math.exp(-min(made.rows, 50.0)) if made.rows < 50 else 0.0)
    own = -2 * math.log(max(share, 1e-9))
    if own <= 3:
        return 0.0
    return max(surprise, own) if made.rows > 3 and not (moment.holiday or moment.near) else surprise


def _repeat_surprise(state: VolumeState, rows: float, made: Forecast) -> float:
    """The same count three times: each repetition has the chance that it had in the past, or that the spread of counts gives."""
    if len(state.previous) < 2 or not (rows == state.previous[-1] == state.previous[-2]):
        return 0.0
    spread = max(made.error * made.rows, 1.0)
    chance = max((state.repeats[0] + 1) / (state.repeats[1] + 2), 1 / (2.5 * spread))
    return -2 * math.log(min(chance, 1.0))


def _slow_moves(state: VolumeState, moment: Moment, y: float) -> dict[int, tuple[float, int]]:
    """Medians of the last few deseasonalised points against those of the four weeks before, in standard errors of a median."""
    if len(state.window) < 35:
        return {}
    level = y - state.season.get(moment.season, state.coarse.get(moment.coarse, 0.0))
    out = {}
    for width in SLOW_WINDOWS:
        now = (*state.window[-(width - 1) :], level)
        before = state.window[-(width + 28) : -width] if len(state.window) >= width + 28 else state.window[:-width]
        if len(before) < 20:
            continue
        middle = statistics.median(before)
        spread = 1.4826 * statistics.median(abs(v - middle) for v in before)
        gap = statistics.median(now) - middle
        out[width] = (abs(gap) / math.sqrt(1.6 * spread * spread / width + RELEVANT**2), 1 if gap > 0 else -1)
    return out


def _remember_slow(state: VolumeState, moment: Moment, y: float, settings: VolumeSettings) -> VolumeState:
    if moment.step < DAY or y == 0 or moment.holiday or moment.near:
        return state
    rings = dict(state.slow_moves)
    for width, (size, _) in _slow_moves(state, moment, y).items():
        past = rings.get(width, ())
        if len(past) < 30 or SLOW_WEIGHT * fit_tail(past, settings.prior).surprise(size) < settings.threshold:
            rings[width] = (*past, size)[-SLOW_RING:]
    return replace(state, slow_moves=rings)


def _is_same_story(state: VolumeState, move: _Move, y: float, rows: float, made: Forecast, settings: VolumeSettings) -> bool:
    """True for a point that stays where the last ones went, or that is a smaller alarm right after a told one."""
    if state.pending:
        if rows == 0:
            return state.pending_zero
        rest = (y - made.value) - statistics.median(state.pending[-3:])
        tail = _tail(state, rest > 0, settings.prior)
        if tail.surprise(abs(rest) / (1.3 * made.error)) < settings.threshold:
            return True
    return rows > 0 and state.since_told <= settings.follow_up and move.surprise < 1.5 * state.told


def _advance(
    state: VolumeState,
    moment: Moment,
    y: float,
    rows: float,
    made: Forecast | None,
    move: _Move,
    away: bool,
    told: bool,
    settings: VolumeSettings,
) -> VolumeState:
    """The state after a point: what it teaches when it is accepted, what is kept of it when it is away."""
    slow = move.kind.startswith("slow")
    gap = 0.0 if made is None else y - made.value
    if away and not slow:
        state = replace(state, pending=(*state.pending, gap)[-60:], pending_zero=rows == 0)
    elif not away and move.surprise <= 0.6 * settings.threshold:
        state = replace(state, pending=())
    state = replace(
        state,
        since_told=0 if told else state.since_told + 1,
        told=move.surprise if told else state.told,
        cooldown=14 if slow and away else max(0, state.cooldown - 1),
        previous=(*state.previous, rows)[-3:],
        last_moment=moment.at.isoformat(),
    )
    if not away or (slow and rows > 0):
        state = _accept_point(state, moment, y, rows, made, move, repeated_counts=not away)
    if slow and away:
        state = _rebase_window(state)
    return replace(state, points=state.points + 1)


def _accept_point(
    state: VolumeState, moment: Moment, y: float, rows: float, made: Forecast | None, move: _Move, repeated_counts: bool
) -> VolumeState:
    zeros, loads = state.zeros.get(moment.coarse, (0, 0))
    same, pairs = state.repeats
    if repeated_counts and len(state.previous) >= 2:
        same, pairs = same + (rows > 0 and state.previous[-1] == state.previous[-2]), pairs + 1
    holidays = dict(state.holidays)
    if moment.holiday and made is not None:
        holidays[moment.holiday] = y - made.value
    ordinary = made is not None and not (moment.holiday or moment.near)
    state = replace(
        state,
        zeros={**state.zeros, moment.coarse: (zeros + (rows == 0), loads + 1)},
        repeats=(same, pairs),
        holidays=holidays,
        quiet=(*state.quiet, y)[-60:] if rows > 0 else state.quiet,
        ups=(*state.ups, move.z)[-RING:] if ordinary and move.z >= 0 else state.ups,
        downs=(*state.downs, -move.z)[-RING:] if ordinary and move.z <= 0 else state.downs,
    )
    state = accept(state, moment, y, made)
    if moment.holiday or rows == 0:
        return state
    return replace(state, window=(*state.window, y - state.season.get(moment.season, 0.0))[-60:])


def _rebase_window(state: VolumeState) -> VolumeState:
    """After a slow move was told, the past is moved to the new level, so that it is told once."""
    if len(state.window) < 20:
        return state
    by = statistics.median(state.window[-5:]) - statistics.median(state.window[-33:-5])
    return replace(state, window=(*(v + by for v in state.window[:-7]), *state.window[-7:]))


def _adopt(state: VolumeState, rows: float, settings: VolumeSettings) -> tuple[VolumeState, float | None]:
    """A level that held long enough on one side becomes the level."""
    last = state.pending[-3:]
    if len(state.pending) < settings.hold or rows == 0 or min(last) * max(last) <= 0:
        return state, None
    by = statistics.median(last)
    return shift(state, by), math.exp(by)


def _describe(
    state: VolumeState, move: _Move, rows: float, made: Forecast | None, settings: VolumeSettings, away: bool, ongoing: bool
) -> VolumeJudgement:
    low = high = drop = None
    if made is not None:
        up, down = (_tail(state, upwards, settings.prior).value_at(settings.threshold) for upwards in (True, False))
        high = None if up is None else math.expm1(min(made.value + up * made.error, 40.0))
        low = None if down is None else max(0.0, math.expm1(made.value - down * made.error))
        drop = None if low is None or made.rows <= 0 else min(1.0, 1 - low / made.rows)
    return VolumeJudgement(
        alert=away and not ongoing,
        ongoing=ongoing,
        score=move.surprise / settings.threshold,
        kind=move.kind if away else "",
        rows=rows,
        expected=None if made is None else made.rows,
        low=low,
        high=high,
        detectable_drop=drop,
        adopted_shift=None,
    )

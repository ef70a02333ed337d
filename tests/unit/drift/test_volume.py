"""The number of rows over time: what is foreseen, what alarms, and what becomes normal."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable

import numpy as np
import pytest

from services.drift.methods.forecast import DAY
from services.drift.methods.volume import VolumeJudgement, VolumeSettings, judge_volume, missing_loads
from services.drift.methods.volume_state import VolumeState, decode_volume, encode_volume

START = dt.datetime(2023, 1, 2, tzinfo=dt.UTC)
SETTINGS = VolumeSettings()
WEEK = (1.0, 1.05, 1.0, 0.95, 0.9, 0.35, 0.3)


def weekly(days: int, noise: float = 0.04, level: float = 5000.0, first: int = 0) -> list[float]:
    rng = np.random.default_rng(5)
    factors = rng.lognormal(0.0, noise, days + first)
    return [round(level * WEEK[i % 7] * float(factors[i])) for i in range(first, first + days)]


def feed(
    counts: Iterable[float], state: VolumeState | None = None, settings: VolumeSettings = SETTINGS, start: dt.datetime = START
) -> tuple[list[VolumeJudgement], VolumeState]:
    known, out = state or VolumeState(), []
    for i, count in enumerate(counts):
        judged, known = judge_volume(known, start + dt.timedelta(seconds=settings.step_seconds * i), count, settings)
        out.append(judged)
    return out, known


@pytest.fixture(scope="module")
def quarter() -> VolumeState:
    return feed(weekly(91))[1]


def next_day(state: VolumeState, count: float) -> VolumeJudgement:
    return judge_volume(state, START + dt.timedelta(days=91), count, SETTINGS)[0]


def test_weekly_rhythm_is_foreseen_and_stays_silent() -> None:
    judged, _ = feed(weekly(365))
    assert [j.kind for j in judged if j.alert] == []
    assert judged[-1].expected == pytest.approx(weekly(365)[-1], rel=0.2)


@pytest.mark.parametrize(("count", "kind"), [(2000, "drop"), (12000, "spike"), (0, "empty")])
def test_odd_loads_alarm_with_their_kind(quarter: VolumeState, count: float, kind: str) -> None:
    judged = next_day(quarter, count)
    assert judged.alert
    assert judged.kind == kind
    assert judged.expected == pytest.approx(5000, rel=0.1)


def test_band_holds_the_forecast_and_excludes_what_alarms(quarter: VolumeState) -> None:
    judged = next_day(quarter, 5000)
    assert judged.low is not None
    assert judged.high is not None
    assert judged.low < 5000 < judged.high
    assert judged.detectable_drop is not None
    assert not next_day(quarter, judged.low * 1.05).alert
    assert next_day(quarter, judged.low * 0.8).alert


def test_short_history_never_alarms_and_knows_no_band() -> None:
    judged, _ = feed([100, 100, 1, 5000])
    assert not any(j.alert for j in judged)
    assert judged[0].low is None
    assert judged[0].detectable_drop is None


def test_alarm_does_not_train_the_band(quarter: VolumeState) -> None:
    at = START + dt.timedelta(days=91)
    _, after = judge_volume(quarter, at, 500, SETTINGS)
    assert (after.fast, after.scale, after.downs) == (quarter.fast, quarter.scale, quarter.downs)


def test_closed_weekends_are_normal() -> None:
    counts = [0 if i % 7 >= 5 else c for i, c in enumerate(weekly(120))]
    judged, state = feed(counts)
    assert [j.kind for j in judged if j.alert] == []
    monday = judge_volume(state, START + dt.timedelta(days=119), 0, SETTINGS)[0]
    assert monday.alert


def test_stall_is_told_once_and_goes_on_quietly(quarter: VolumeState) -> None:
    judged, _ = feed([0, 0, 0], quarter, start=START + dt.timedelta(days=91))
    assert [j.alert for j in judged] == [True, False, False]
    assert [j.ongoing for j in judged] == [False, True, True]


def test_gap_of_40_days_is_fed_as_empty_loads() -> None:
    gaps = missing_loads(START, START + dt.timedelta(days=41), DAY)
    assert len(gaps) == 40
    assert gaps[0] == START + dt.timedelta(days=1)
    assert len(missing_loads(START, START + dt.timedelta(days=9999), DAY)) == 60
    assert missing_loads(START, START - dt.timedelta(days=3), DAY) == []


def test_level_shift_becomes_normal_only_after_it_held_and_is_recorded(quarter: VolumeState) -> None:
    judged, state = feed([c * 2 for c in weekly(14, first=91)], quarter, start=START + dt.timedelta(days=91))
    adopted = [j.adopted_shift for j in judged]
    assert judged[0].alert
    assert adopted[:6] == [None] * 6
    assert adopted[6] == pytest.approx(2.0, rel=0.1)
    later, _ = feed([c * 2 for c in weekly(14, first=105)], state, start=START + dt.timedelta(days=105))
    assert [j.kind for j in later if j.alert] == []


def test_adoption_waits_as_long_as_it_is_told(quarter: VolumeState) -> None:
    settings = VolumeSettings(adopt_after=12)
    judged, _ = feed([c * 2 for c in weekly(14, first=91)], quarter, settings, START + dt.timedelta(days=91))
    assert [i for i, j in enumerate(judged) if j.adopted_shift is not None] == [11]


def test_slow_leak_is_seen_before_it_ends() -> None:
    leak = [c * 0.97 ** (i + 1) for i, c in enumerate(weekly(21, noise=0.02, first=120))]
    _, state = feed(weekly(120, noise=0.02))
    judged, _ = feed(leak, state, start=START + dt.timedelta(days=120))
    assert any(j.alert for j in judged)


def test_same_count_three_times_is_suspicious(quarter: VolumeState) -> None:
    judged, _ = feed([5011, 5011, 5011], quarter, start=START + dt.timedelta(days=91))
    assert judged[2].alert
    assert judged[2].kind == "repeated"


def test_constant_series_may_repeat_itself() -> None:
    judged, _ = feed([1000.0] * 90)
    assert not any(j.alert for j in judged)


def test_holiday_may_be_quiet_only_where_the_country_has_it() -> None:
    thanksgiving = dt.datetime(2023, 11, 23, tzinfo=dt.UTC)
    days = (thanksgiving - START).days
    for country, loud in (("US", False), (None, True)):
        settings = VolumeSettings(country=country)
        _, state = feed(weekly(days), settings=settings)
        assert judge_volume(state, thanksgiving, 1800, settings)[0].alert is loud


def test_hours_follow_the_week_and_clock_changes_do_no_harm() -> None:
    hours = VolumeSettings(step_seconds=3600.0)
    rng = np.random.default_rng(3)
    start = dt.datetime(2024, 3, 4, tzinfo=dt.UTC)
    moments = (start + dt.timedelta(hours=h) for h in itertools.count())
    local = [m for m in itertools.islice(moments, 24 * 35) if m != dt.datetime(2024, 3, 31, 2, tzinfo=dt.UTC)]
    state, loud = VolumeState(), []
    for moment in local:
        busy = 400 if 8 <= moment.hour < 20 else 60
        judged, state = judge_volume(state, moment, float(rng.poisson(busy * (0.5 if moment.weekday() > 4 else 1))), hours)
        loud += [moment] if judged.alert else []
    assert len(loud) <= 2
    assert judge_volume(state, dt.datetime(2024, 4, 8, 10, tzinfo=dt.UTC), 40, hours)[0].alert


def test_state_survives_its_json(quarter: VolumeState) -> None:
    again = decode_volume(encode_volume(quarter))
    assert next_day(again, 2000) == next_day(quarter, 2000)
    with pytest.raises(ValueError, match="format"):
        decode_volume('{"v": 0}')


def test_wild_series_earns_a_wide_band() -> None:
    calm, wild = (feed(weekly(91, noise=n))[1] for n in (0.03, 0.5))
    assert (next_day(calm, 5000).detectable_drop or 0) < (next_day(wild, 5000).detectable_drop or 0)

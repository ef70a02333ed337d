"""Periods, spans and the clock changes in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.drift.app.judge_profiles import NEVER
from services.drift.app.plan_profile import Span
from services.drift.app.spans import MAX_CATCH_UP, Clock, next_span, past_span
from services.drift.app.time_travel import TimeTravelDialect, past_moments
from services.drift.domain.periods import count_between, instant, label, local_time, parse_label, shifted, start_of
from services.drift.domain.profile import ColumnKind
from services.drift.domain.record import Watch
from services.drift.domain.watch_settings import Partitioning, WatchSettings
from services.drift.profiling.plan import ColumnPlan, Grain, ProfilePlan
from services.drift.profiling.statements import build_statements

DAYS = Partitioning("at")
NOW = datetime(2026, 3, 12, 12, tzinfo=UTC)


def day(number: int) -> datetime:
    return datetime(2026, 3, number)  # noqa: DTZ001 -- local


def watch(period: datetime) -> Watch:
    return Watch("d", "at/day/UTC", "", "", period, 1)


@pytest.mark.parametrize("grain", [Grain.HOUR, Grain.DAY, Grain.WEEK, Grain.MONTH])
def test_periods_follow_each_other_without_gap(grain: Grain) -> None:
    start = start_of(datetime(2026, 1, 31, 13, 5), grain)  # noqa: DTZ001
    for count in (1, 5, 40, -3):
        later = shifted(start, grain, count)
        assert start_of(later, grain) == later
        assert count_between(start, later, grain) == count
        assert parse_label(label(later, grain)) == later


def test_end_of_the_calendar_is_no_error() -> None:
    assert shifted(datetime(9999, 12, 1), Grain.MONTH, 5) == datetime.max  # noqa: DTZ001, DTZ901
    assert shifted(datetime(1, 1, 1), Grain.WEEK, -5) == datetime.min  # noqa: DTZ001, DTZ901


def test_local_times_lead_to_instants_and_back() -> None:
    for moment in (datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)):
        assert instant(local_time(moment, "Europe/Vienna"), "Europe/Vienna") == moment


def test_newest_complete_partition_ended_before_now_and_before_its_delay() -> None:
    assert Clock.at(NOW, DAYS).newest == day(11)
    assert Clock.at(NOW, Partitioning("at", delay_hours=13)).newest == day(10)
    assert Clock.at(datetime(2026, 3, 11, 23, 30, tzinfo=UTC), Partitioning("at", timezone="Europe/Vienna")).newest == day(11)
    assert Clock.at(NOW, Partitioning("at", Grain.MONTH)).newest == datetime(2026, 2, 1)  # noqa: DTZ001


def test_first_look_is_at_one_partition_as_late_as_the_table_is() -> None:
    clock = Clock.at(NOW, DAYS)
    assert next_span(watch(NEVER), clock, DAYS, clock.lag(day(11) + timedelta(hours=5), DAYS)) == Span(day(11), day(12), day(12))
    assert next_span(watch(NEVER), clock, DAYS, clock.lag(day(8), DAYS)) == Span(day(8), day(12), day(9))
    assert clock.lag(None, DAYS) == clock.lag(day(30), DAYS) == 0


def test_later_looks_go_on_where_the_last_one_ended() -> None:
    clock = Clock.at(NOW, DAYS)
    assert next_span(watch(datetime(2026, 3, 9, tzinfo=UTC)), clock, DAYS, 0) == Span(day(10), day(12), day(12))
    assert next_span(watch(datetime(2026, 3, 11, tzinfo=UTC)), clock, DAYS, 0) == Span(day(11), day(12), day(12))
    behind = Clock.at(NOW - timedelta(days=7), DAYS)
    assert next_span(watch(datetime(2026, 3, 11, tzinfo=UTC)), behind, DAYS, 0) == Span(day(11), day(12), day(12))


def test_catching_up_is_bounded() -> None:
    span = next_span(watch(datetime(2020, 1, 1, tzinfo=UTC)), Clock.at(NOW, DAYS), DAYS, 0)
    assert count_between(span.first, span.expected, Grain.DAY) == MAX_CATCH_UP


def test_past_ends_where_judging_begins_and_begins_with_the_first_row() -> None:
    clock = Clock.at(NOW, DAYS)
    assert past_span(None, clock, DAYS, (day(1), day(11)), 90) == Span(day(1), day(11), day(11))
    assert past_span(None, clock, DAYS, (day(1), day(11)), 3) == Span(day(8), day(11), day(11))
    assert past_span(watch(datetime(2026, 3, 6, tzinfo=UTC)), clock, DAYS, (day(1), day(11)), 90) == Span(day(1), day(6), day(6))
    assert past_span(None, clock, DAYS, (day(11), day(11)), 90) is None


def test_time_travel_reads_the_table_as_it_was() -> None:
    moment = datetime(2026, 3, 10, tzinfo=UTC)
    plan = ProfilePlan(("DB", "S", 'T"x'), (ColumnPlan("A", ColumnKind.NUMBER),), as_of="2026-03-10T00:00:00", sample=0.1)
    statements = build_statements(plan, TimeTravelDialect(moment))
    assert len(statements) == 2
    for statement in statements:
        assert 'FROM "DB"."S"."T""x" AT(TIMESTAMP => \'2026-03-10T00:00:00+00:00\'::TIMESTAMP_TZ) SAMPLE BERNOULLI (10)' in statement.sql


def test_time_travel_goes_back_as_far_as_the_table_is_kept() -> None:
    now = datetime(2026, 3, 12, 12)  # noqa: DTZ001
    assert list(past_moments(now, WatchSettings(), 3, 90)) == [day(12), day(11), day(10)]
    assert list(past_moments(now, WatchSettings(), 3, 1)) == [day(12)]
    assert list(past_moments(now, WatchSettings(), 0, 90)) == []

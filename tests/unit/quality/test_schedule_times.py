"""When schedules fire, above all around clock changes."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.quality.domain.errors import InvalidSchedule
from services.quality.domain.schedule import next_fire_time

# In Vienna 2026-03-29 has no 02:00 to 03:00, and 2026-10-25 has 02:00 to 03:00 twice.
VIENNA = "Europe/Vienna"


def fires(cron: str, timezone: str, start: str, end: str) -> list[str]:
    """Local times at which it fires from `start` to `end` (both local), with the offset of each."""
    zone = ZoneInfo(timezone)
    moment = datetime.fromisoformat(start).replace(tzinfo=zone).astimezone(UTC)
    last = datetime.fromisoformat(end).replace(tzinfo=zone).astimezone(UTC)
    found = []
    while (moment := next_fire_time(cron, timezone, moment)) < last:
        found.append(moment.astimezone(zone).strftime("%d %H:%M%z"))
    return found


def test_a_time_in_utc_is_the_next_one_after() -> None:
    after = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
    assert next_fire_time("30 12 * * *", "UTC", after) == datetime(2026, 5, 2, 12, 30, tzinfo=UTC)
    assert next_fire_time("31 12 * * *", "UTC", after) == datetime(2026, 5, 1, 12, 31, tzinfo=UTC)


def test_a_time_that_is_skipped_fires_right_after_the_change() -> None:
    assert fires("30 2 * * *", VIENNA, "2026-03-28T00:00", "2026-03-31T00:00") == ["28 02:30+0100", "29 03:00+0200", "30 02:30+0200"]


def test_all_times_of_a_skipped_hour_fire_once_together() -> None:
    found = fires("*/20 2 * * *", VIENNA, "2026-03-29T00:00", "2026-03-30T00:00")
    assert found == ["29 03:00+0200"]


def test_a_time_that_is_repeated_fires_once() -> None:
    assert fires("30 2 * * *", VIENNA, "2026-10-24T12:00", "2026-10-26T12:00") == ["25 02:30+0200", "26 02:30+0100"]
    assert fires("*/20 2 * * *", VIENNA, "2026-10-25T00:00", "2026-10-25T12:00") == ["25 02:00+0200", "25 02:20+0200", "25 02:40+0200"]


def test_inside_the_second_pass_of_a_repeated_hour_the_first_is_over() -> None:
    second_pass = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10+0100
    assert next_fire_time("30 2 * * *", VIENNA, second_pass) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_what_fires_in_every_hour_goes_by_elapsed_time() -> None:
    autumn = fires("0 * * * *", VIENNA, "2026-10-25T00:30", "2026-10-25T04:30")
    assert autumn == ["25 01:00+0200", "25 02:00+0200", "25 02:00+0100", "25 03:00+0100", "25 04:00+0100"]
    assert fires("0 0-23 * * *", VIENNA, "2026-10-25T00:30", "2026-10-25T04:30") == autumn
    spring = fires("*/30 * * * *", VIENNA, "2026-03-29T01:15", "2026-03-29T03:45")
    assert spring == ["29 01:30+0100", "29 03:00+0200", "29 03:30+0200"]


def test_every_other_hour_keeps_to_the_clock() -> None:
    assert fires("0 */2 * * *", VIENNA, "2026-03-29T00:30", "2026-03-29T07:00") == ["29 03:00+0200", "29 04:00+0200", "29 06:00+0200"]
    assert fires("0 */2 * * *", VIENNA, "2026-10-25T00:30", "2026-10-25T07:00") == ["25 02:00+0200", "25 04:00+0100", "25 06:00+0100"]


def test_zones_with_other_changes_are_right_too() -> None:
    # Lord Howe moves its clock by half an hour: 2026-10-04 02:00 becomes 02:30.
    assert fires("15 2 * * *", "Australia/Lord_Howe", "2026-10-04T00:00", "2026-10-05T00:00") == ["04 02:30+1100"]
    # Kathmandu is 5:45 ahead and never changes.
    assert fires("0 0 * * *", "Asia/Kathmandu", "2026-01-01T12:00", "2026-01-02T12:00") == ["02 00:00+0545"]


def test_leap_days_fire_in_leap_years_only() -> None:
    assert next_fire_time("0 0 29 2 *", "UTC", datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2028, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    "cron",
    ["", "* * * *", "* * * * * *", "@daily", "60 * * * *", "* 24 * * *", "* * 0 * *", "*/0 * * * *", "5-1 * * * *", "1L/2 * * * 1L/2",
     "* * * * 1L/2", "* * * * MON#1/2", "a b c d e", "9" * 100 + " * * * *", "😀 * * * *"],
)  # fmt: skip
def test_what_is_no_expression_is_refused(cron: str) -> None:
    with pytest.raises(InvalidSchedule) as refused:
        next_fire_time(cron, "UTC", datetime(2026, 1, 1, tzinfo=UTC))
    assert refused.value.violations[0].field == "schedule.cron"


@pytest.mark.parametrize("cron", ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *"])
def test_an_expression_that_never_fires_is_refused(cron: str) -> None:
    with pytest.raises(InvalidSchedule):
        next_fire_time(cron, VIENNA, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "timezone", ["Europe/Atlantis", "../../etc/passwd", "/etc/localtime", "europe/vienna", "Europe", "", "UTC\n", "localtime"]
)
def test_what_is_no_time_zone_is_refused(timezone: str) -> None:
    with pytest.raises(InvalidSchedule) as refused:
        next_fire_time("* * * * *", timezone, datetime(2026, 1, 1, tzinfo=UTC))
    assert refused.value.violations[0].field == "schedule.timezone"


@given(
    cron=st.sampled_from(["30 2 * * *", "*/7 1-3 * * *", "0 * * * *", "15 */5 * * 1-5", "0 0 1 * *"]),
    zone=st.sampled_from([VIENNA, "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "UTC"]),
    minutes=st.integers(min_value=0, max_value=525_600),
)
def test_the_next_time_is_always_in_the_future_and_asking_from_just_before_it_finds_it_again(cron: str, zone: str, minutes: int) -> None:
    after = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    found = next_fire_time(cron, zone, after)
    assert found > after
    assert next_fire_time(cron, zone, found - timedelta(seconds=1)) == found


@given(st.text(max_size=100))
def test_any_text_is_an_expression_or_refused(cron: str) -> None:
    with contextlib.suppress(InvalidSchedule):
        assert next_fire_time(cron, "UTC", datetime(2026, 1, 1, tzinfo=UTC)).tzinfo is UTC

"""Lengths of time as users write them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalkandduster.cli.duration import parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("1h", timedelta(hours=1)),
        ("1h30m", timedelta(minutes=90)),
        (" 2D ", timedelta(days=2)),
        ("1w", timedelta(weeks=1)),
    ],
)
def test_a_duration_is_the_sum_of_its_parts(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "1", "h", "1x", "-1h", "1.5h", "1 h", "1h ago", "٣h", "9999999s"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="write for example 90s"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "0h0m", "4000d", "999999w"])
def test_a_duration_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="out of range"):
        parse_duration(text)

"""Text for terminals."""

from __future__ import annotations

import math

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from chalkandduster.cli.text import clean, moment, number, seconds


def test_what_a_terminal_would_obey_is_shown_instead() -> None:
    assert clean("a\x1b[2Jb\rc\x9bd\u202ee\x7f") == "a\\x1b[2Jb\\rc\\x9bd\\u202ee\\x7f"


def test_ordinary_text_stays_as_it_is() -> None:
    text = "Größe\t=\n'naïve' 日本 🙂"
    assert clean(text) == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3.0, "3"), (0.25, "0.25"), (-1.0, "-1"), (1 / 3, "0.333333"), (1.25e18, "1.25e+18"), (math.nan, "nan"), (math.inf, "inf")],
)
def test_a_number_has_as_few_digits_as_tell_it(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(0.42, "0.4 s"), (12.3, "12 s"), (185, "3 min 5 s")])
def test_a_length_of_time_is_rounded(value: float, shown: str) -> None:
    assert seconds(value) == shown


def test_a_time_is_in_utc_and_an_unset_one_empty() -> None:
    assert moment(Timestamp(seconds=1_700_000_000, nanos=5)) == "2023-11-14 22:13:20Z"
    assert moment(Timestamp()) == ""
    assert moment(None) == ""

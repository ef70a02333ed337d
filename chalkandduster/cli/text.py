"""Text that came from elsewhere, made safe and short for a terminal."""

from __future__ import annotations

import math
import re
from datetime import UTC

from google.protobuf.timestamp_pb2 import Timestamp

# Control characters move the cursor and rewrite what was printed; the others turn the direction of writing around.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """The text with what a terminal would obey shown as `\\x1b`; line breaks and tabs stay."""
    return _UNSAFE.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


def moment(time: Timestamp | None) -> str:
    """A time in UTC to the second, or nothing for one that is not set."""
    if time is None or not time.ByteSize():
        return ""
    return time.ToDatetime(tzinfo=UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def number(value: float) -> str:
    """A measured value in as few digits as tell it: `3`, `0.25`, `1.2e+12`."""
    whole = math.isfinite(value) and value == int(value) and abs(value) < 1e15
    return f"{value:.0f}" if whole else f"{value:.6g}"


def seconds(value: float) -> str:
    """A length of time for people: `0.4 s`, `12 s`, `3 min 5 s`."""
    if value < 10:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"

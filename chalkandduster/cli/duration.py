"""Lengths of time as users write them."""

from __future__ import annotations

import re
from datetime import timedelta

import click

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"(?:[0-9]{1,6}[smhdw])+")
_PART = re.compile(r"([0-9]+)([smhdw])")
_LONGEST = timedelta(days=3660)


def parse_duration(text: str) -> timedelta:
    """The length of time that `90s`, `30m`, `1h30m`, `2d` or `1w` mean. Raises ValueError for anything else, nothing and over ten years."""
    compact = text.strip().lower()
    if _DURATION.fullmatch(compact) is None:
        raise ValueError(f"{text!r} is not a duration: write for example 90s, 30m, 1h, 1h30m, 2d or 1w")
    total = sum((timedelta(**{_UNITS[unit]: int(count)}) for count, unit in _PART.findall(compact)), timedelta())
    if not timedelta() < total <= _LONGEST:
        raise ValueError(f"{text!r} is out of range: expected more than nothing and at most ten years")
    return total


class Duration(click.ParamType[timedelta]):
    """A click parameter that is a length of time."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """As click's."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)

"""Figures in plain words, short enough for an alert."""

from __future__ import annotations

import math

RATIOS = (10, 100, 1000, 10_000, 60, 3600, 86_400)
"""Ratios that people recognise: decimal shifts, minutes, hours, days."""


def percent(share: float) -> str:
    """A share as a person writes it.

    >>> percent(0.002), percent(0.34), percent(0.0), percent(1.0)
    ('0.2 %', '34 %', '0 %', '100 %')
    """
    value = share * 100
    if value and abs(value) < 10:
        return f"{value:.1f}".rstrip("0").rstrip(".") + " %" if value >= 0.1 else "<0.1 %"
    return f"{value:.0f} %"


def number(value: float) -> str:
    """A number with three significant digits, thousands apart.

    >>> number(1234567.0), number(0.012345), number(12.0)
    ('1,234,567', '0.0123', '12')
    """
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def short(value: str, limit: int = 24) -> str:
    """A value in quotes, cut, on one line: values come from tables and may hold anything."""
    clean = "".join(ch if ch.isprintable() else "·" for ch in value)
    return f"'{clean[:limit]}…'" if len(clean) > limit else f"'{clean}'"


def times(before: float, after: float) -> str | None:
    """ "values 100 times larger" when the ratio is near one that people know, else None.

    >>> times(3.2, 318.0), times(10.0, 11.0), times(-4.0, 4.0)
    ('values 100 times larger', None, 'sign flipped')
    """
    if not before or not after:
        return None
    ratio = after / before
    if abs(ratio + 1) < 0.1:
        return "sign flipped"
    if ratio <= 0:
        return None
    size = max(ratio, 1 / ratio)
    known = next((r for r in RATIOS if abs(math.log(size / r)) < 0.15), None)
    if known is None:
        return None
    return f"values {known:,} times {'larger' if ratio > 1 else 'smaller'}"

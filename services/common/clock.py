"""The time, as something that a test can replace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Answers the time now, aware, in UTC."""


def now() -> datetime:
    """The time now, aware, in UTC."""
    return datetime.now(UTC)

"""Repeats a background task of the service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from services.common.errors import DependencyUnavailable

_log = logging.getLogger(__name__)


async def periodically(name: str, seconds: float, action: Callable[[], Awaitable[object]]) -> None:
    """Calls `action` now and `seconds` after each end of it, until cancelled. What goes wrong is logged, and tried again."""
    while True:
        try:
            await action()
        except DependencyUnavailable as error:
            _log.warning("background task waits for a dependency", extra={"task": name, "reason": error.message})
        except Exception:
            _log.exception("background task failed", extra={"task": name})
        await asyncio.sleep(seconds)

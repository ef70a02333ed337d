"""Saying whether the platform can work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from services.common.errors import DependencyUnavailable

HealthCheck = Callable[[], Awaitable[None]]
"""Returns when the part works. Raises DependencyUnavailable when not."""


class GetHealth:
    """Asks each part of the platform."""

    def __init__(self, checks: Mapping[str, HealthCheck]) -> None:
        self._checks = dict(sorted(checks.items()))

    async def execute(self) -> Mapping[str, bool]:
        """Whether each part can work, by its name, in the order of the names."""
        answers = await asyncio.gather(*(_works(check) for check in self._checks.values()))
        return dict(zip(self._checks, answers, strict=True))


async def _works(check: HealthCheck) -> bool:
    try:
        await check()
    except DependencyUnavailable:
        return False
    return True

"""Follows a run until it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from services.common.errors import DependencyUnavailable
from services.quality.app.ports import RunEvents, RunStore
from services.quality.domain.run import Run

_LOOK_EVERY_SECONDS = 2.0


class WatchRun:
    """Answers the run now and at each change, the last time with its results."""

    def __init__(self, runs: RunStore, events: RunEvents, draining: asyncio.Event) -> None:
        """Watches end when `draining` is set: they would hold up the end of the process for its whole grace."""
        self._runs = runs
        self._events = events
        self._draining = draining

    async def execute(self, tenant_id: str, run_id: str) -> AsyncIterator[Run]:
        """Ends after the run that has ended. Raises RunNotFound at the first step, and DependencyUnavailable when cut off."""
        # Subscribed before the first look, so that nothing falls between the two.
        async with self._events.of_run(run_id, _LOOK_EVERY_SECONDS) as news:
            run = await self._runs.get(tenant_id, run_id, with_results=False)
            while not run.state.ended:
                yield run
                run = await self._next(tenant_id, run, news)
        yield await self._runs.get(tenant_id, run_id, with_results=True)

    async def _next(self, tenant_id: str, seen: Run, news: AsyncIterator[object]) -> Run:
        async for _ in news:
            run = await self._runs.get(tenant_id, seen.id, with_results=False)
            if run != seen:
                return run
            if self._draining.is_set():
                break
        raise DependencyUnavailable("The service is restarting; watch again.")

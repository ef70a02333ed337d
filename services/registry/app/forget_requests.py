"""Forgetting what nobody repeats any more."""

from __future__ import annotations

import asyncio
import logging

from services.common.errors import DependencyUnavailable
from services.registry.app.ports import Store

_log = logging.getLogger(__name__)
INTERVAL_SECONDS = 3600.0


class ForgetRequests:
    """Deletes remembered creates that are older than 24 hours."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def execute(self) -> int:
        """How many were forgotten. Raises DependencyUnavailable."""
        return await self._store.forget_requests()

    async def run(self) -> None:
        """Do it every hour until cancelled."""
        while True:
            try:
                forgotten = await self.execute()
                _log.info("Old request ids were forgotten.", extra={"count": forgotten})
            except DependencyUnavailable:
                _log.warning("Old request ids could not be forgotten; the next hour does it.")
            await asyncio.sleep(INTERVAL_SECONDS)

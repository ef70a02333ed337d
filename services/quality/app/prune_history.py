"""Forgets what is older than the operator wants kept."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from services.quality.app.ports import QueueStats

_log = logging.getLogger(__name__)
_BATCH = 5_000


class PruneHistory:
    """Deletes in batches, so that no lock is held for long."""

    def __init__(self, queue: QueueStats, now: Callable[[], datetime], measurement_days: float, run_days: float) -> None:
        self._queue = queue
        self._now = now
        self._measurement_days = measurement_days
        self._run_days = run_days

    async def execute(self) -> int:
        """Answers how many rows went."""
        measurements_before = self._now() - timedelta(days=self._measurement_days)
        runs_before = self._now() - timedelta(days=self._run_days)
        total = 0
        while gone := await self._queue.prune(measurements_before, runs_before, _BATCH):
            total += gone
        if total:
            _log.info("old history deleted", extra={"rows": total})
        return total

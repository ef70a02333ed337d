"""Looks at depth and age of the queue."""

from __future__ import annotations

from services.quality.app.ports import Metrics, QueueStats


class ObserveQueue:
    """Hands what it sees to the metrics."""

    def __init__(self, queue: QueueStats, metrics: Metrics) -> None:
        self._queue = queue
        self._metrics = metrics

    async def execute(self) -> None:
        self._metrics.queue_depths(await self._queue.depths())

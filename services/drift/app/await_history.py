"""History on day one: the first evaluation asks for a backfill and waits a while for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from services.drift.app.look_at_table import Subject
from services.drift.app.ports import BackfillStore, WatchStore
from services.drift.domain.backfill import Backfill, BackfillSource, BackfillState
from services.drift.domain.errors import BackfillRunning

_log = logging.getLogger(__name__)
_POLL_SECONDS = (0.1, 1.0)
_LEFT_SHARE = 0.5
"""Part of an evaluation's time that its own look keeps."""


class AwaitHistory:
    """Answers how many seconds are left for the evaluation itself."""

    def __init__(
        self, watches: WatchStore, backfills: BackfillStore, patience_seconds: float, now: Callable[[], datetime], new_id: Callable[[], str]
    ) -> None:
        self._watches = watches
        self._backfills = backfills
        self._patience_seconds = patience_seconds
        self._now = now
        self._new_id = new_id

    async def execute(self, subject: Subject, seconds: float) -> float:
        """Wait for the history of a dataset that was never judged, when it has a partition column to take it from."""
        settings = subject.settings
        if settings.partition is None or not settings.backfill:
            return seconds
        watch = await self._watches.watch(subject.tenant_id, subject.dataset.id)
        if watch is not None and watch.layout == settings.layout:
            return seconds
        await self._ensure_started(subject, known_layout=watch is not None)
        began = time.monotonic()
        await self._wait(subject, began + min(self._patience_seconds, seconds * _LEFT_SHARE))
        return seconds - (time.monotonic() - began)

    async def _ensure_started(self, subject: Subject, *, known_layout: bool) -> None:
        last = await self._backfills.last(subject.tenant_id, subject.dataset.id)
        # One that failed, or that somebody cancelled, is not tried again at every run.
        if last is not None and not known_layout:
            return
        new = Backfill(
            id=self._new_id(),
            dataset_id=subject.dataset.id,
            state=BackfillState.QUEUED,
            source=BackfillSource.PARTITION_COLUMN,
            max_partitions=subject.settings.backfill,
            create_time=self._now(),
        )
        with suppress(BackfillRunning):
            await self._backfills.start(subject.tenant_id, new, None)

    async def _wait(self, subject: Subject, until: float) -> None:
        pause = _POLL_SECONDS[0]
        while time.monotonic() < until:
            last = await self._backfills.last(subject.tenant_id, subject.dataset.id)
            if last is None or last.state.ended:
                return
            await asyncio.sleep(min(pause, max(0.0, until - time.monotonic())))
            pause = min(2 * pause, _POLL_SECONDS[1])
        _log.info("An evaluation goes on while its backfill still runs.", extra={"dataset": subject.dataset.id})

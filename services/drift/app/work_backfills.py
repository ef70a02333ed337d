"""Keeps the backfill places of this process busy."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from services.common.errors import DependencyUnavailable, DomainError
from services.drift.app.ports import BackfillQueue
from services.drift.app.run_backfill import BackfillStopped, RunBackfill
from services.drift.domain.backfill import BackfillState, ClaimedBackfill
from services.drift.domain.errors import reason_of

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.5
_OUTAGE_PAUSE_SECONDS = 5.0


class WorkBackfills:
    """Claims one backfill after the other; `places` loops of it run at once."""

    def __init__(self, queue: BackfillQueue, run: RunBackfill, lease_seconds: float) -> None:
        self._queue = queue
        self._run = run
        self._renew_seconds = lease_seconds / 4

    async def work(self) -> None:
        """Work until cancelled; a backfill that runs then goes back to the queue."""
        while True:
            try:
                claimed = await self._queue.claim()
                if claimed:
                    await self._execute(claimed)
                    continue
            except DependencyUnavailable:
                _log.warning("Backfills wait: the database does not answer.")
                await asyncio.sleep(_OUTAGE_PAUSE_SECONDS)
            await asyncio.sleep(_POLL_SECONDS)

    async def _execute(self, claimed: ClaimedBackfill) -> None:
        task = asyncio.create_task(self._run.execute(claimed), name=f"backfill {claimed.id}")
        watching = asyncio.create_task(self._watch(claimed, task.cancel))
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            with contextlib.suppress(DependencyUnavailable):
                await self._queue.end(claimed, BackfillState.QUEUED)
            raise
        finally:
            watching.cancel()
        await self._settle(claimed, task)

    async def _watch(self, claimed: ClaimedBackfill, stop: Callable[[], bool]) -> None:
        """Renews the lease, and stops the work when it was lost or a cancel was asked for."""
        while True:
            await asyncio.sleep(self._renew_seconds)
            with contextlib.suppress(DependencyUnavailable):
                if await self._queue.progress(claimed) is not False:
                    stop()
                    return

    async def _settle(self, claimed: ClaimedBackfill, task: asyncio.Task[None]) -> None:
        """Write down how it came out. In the store a cancel that was asked for goes before everything else."""
        extra = {"backfill": claimed.id, "dataset": claimed.dataset_id}
        error = None if task.cancelled() else task.exception()
        match error:
            case None if not task.cancelled():
                await self._queue.end(claimed, BackfillState.SUCCEEDED)
            case None | BackfillStopped():
                await self._queue.end(claimed, BackfillState.CANCELLED)
            case DependencyUnavailable():
                _log.warning("A backfill waits for a dependency.", extra={**extra, "reason": error.message})
                await self._queue.end(claimed, BackfillState.QUEUED)
                await asyncio.sleep(_OUTAGE_PAUSE_SECONDS)
            case DomainError():
                await self._queue.end(claimed, BackfillState.ERRORED, reason_of(error), error.message)
            case _:
                _log.error("A backfill failed for an unforeseen reason.", exc_info=error, extra=extra)
                message = f"Something unforeseen happened; the log has it under backfill {claimed.id}."
                await self._queue.end(claimed, BackfillState.ERRORED, "INTERNAL", message)

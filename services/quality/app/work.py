"""Keeps the worker places of this process busy."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time

from services.common.errors import DependencyUnavailable
from services.quality.app.execute_run import ExecuteRun
from services.quality.app.ports import QueueContended, RunEvents, WorkQueue
from services.quality.domain.run import ClaimedRun

_log = logging.getLogger(__name__)
_POLL_SECONDS = 1.0
_OUTAGE_PAUSE_SECONDS = 1.0
_CONTENTION_PAUSE_SECONDS = (0.002, 0.01)


class Work:
    """Claims one run after the other for free places. Once `draining` is set, or when cancelled, it claims no more, lets
    running ones end within the grace, and puts the rest back."""

    def __init__(
        self, queue: WorkQueue, events: RunEvents, execute: ExecuteRun, places: int, grace_seconds: float, draining: asyncio.Event
    ) -> None:
        self._queue = queue
        self._events = events
        self._execute = execute
        self._places = asyncio.Semaphore(places)
        self._grace_seconds = grace_seconds
        self._draining = draining
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until draining or cancelled, and drain."""
        claiming = asyncio.create_task(self._claim_for_ever())
        draining = asyncio.create_task(self._draining.wait())
        try:
            await asyncio.wait({claiming, draining}, return_when=asyncio.FIRST_COMPLETED)
            if claiming.done():
                claiming.result()
        finally:
            draining.cancel()
            claiming.cancel()
            await asyncio.wait({claiming})
            await self._drain()

    async def _claim_for_ever(self) -> None:
        while True:
            await self._places.acquire()
            run = await self._next()
            if run is None:
                self._places.release()
            else:
                self._start(run)

    async def _next(self) -> ClaimedRun | None:
        """The next run; None after a pause when there is none."""
        try:
            if run := await self._claim():
                return run
            await self._events.wait_for_work(_POLL_SECONDS)
        except QueueContended:
            await asyncio.sleep(random.uniform(*_CONTENTION_PAUSE_SECONDS))  # noqa: S311 -- spreads workers, keeps no secret
        except DependencyUnavailable:
            _log.warning("cannot claim: the database does not answer")
            await asyncio.sleep(_OUTAGE_PAUSE_SECONDS)
        return None

    async def _claim(self) -> ClaimedRun | None:
        """A claim is finished even when the drain begins meanwhile: a run claimed and forgotten would wait for its lease."""
        claim = asyncio.ensure_future(self._queue.claim())
        try:
            return await asyncio.shield(claim)
        except asyncio.CancelledError:
            with contextlib.suppress(QueueContended, DependencyUnavailable):
                if run := await claim:
                    self._start(run)
            raise

    def _start(self, run: ClaimedRun) -> None:
        task = asyncio.create_task(self._execute.execute(run), name=f"run {run.id}")
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._places.release()
        if not task.cancelled() and (error := task.exception()):
            _log.error("execution failed; the run is claimed again when its lease ends", exc_info=error)

    async def _drain(self) -> None:
        if self._running:
            _log.info("waiting for running scans", extra={"running": len(self._running)})
        cancelled = await self._wait_for_running(time.monotonic() + self._grace_seconds)
        rest = list(self._running)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        if cancelled:
            raise asyncio.CancelledError

    async def _wait_for_running(self, until: float) -> bool:
        """Answers whether it was cancelled meanwhile: the server ends sooner than its scans, which have their grace all the same."""
        cancelled = False
        while self._running and (left := until - time.monotonic()) > 0:
            try:
                await asyncio.wait(self._running, timeout=left)
            except asyncio.CancelledError:
                cancelled = True
        return cancelled

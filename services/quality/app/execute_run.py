"""Executes a claimed run: makes an attempt while holding the lease, and records how it came out, once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.common.errors import DependencyUnavailable
from services.common.logging import log_context
from services.quality.app.attempt_run import AttemptRun
from services.quality.app.ports import LeaseStatus, Metrics, Registry, RunEvents, RunNews, ScheduleStore, WorkQueue
from services.quality.domain.attempt import Attempt, Completed, Failed, Interrupted
from services.quality.domain.errors import DatasetNotFound, LeaseLost, reason_of
from services.quality.domain.retry import RetryPolicy
from services.quality.domain.run import ClaimedRun, RunError, RunState

_log = logging.getLogger(__name__)
_RECORD_RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """How a worker holds on to a run."""

    renew_every_seconds: float
    record_patience_seconds: float
    """How long a result is kept in memory while the database is away. After it the run is executed again."""


class ExecuteRun:
    """Returns when the run has ended, was put back, or is somebody else's. A cancelled call puts the run back."""

    def __init__(
        self,
        queue: WorkQueue,
        registry: Registry,
        schedules: ScheduleStore,
        events: RunEvents,
        attempt: AttemptRun,
        retry: RetryPolicy,
        timing: LeaseTiming,
        metrics: Metrics,
        now: Callable[[], datetime],
    ) -> None:
        self._queue = queue
        self._registry = registry
        self._schedules = schedules
        self._events = events
        self._attempt = attempt
        self._retry = retry
        self._timing = timing
        self._metrics = metrics
        self._now = now

    async def execute(self, run: ClaimedRun) -> None:
        """Execute a run that `WorkQueue.claim` answered."""
        with log_context(run_id=run.id, tenant_id=run.tenant_id):
            await self._execute(run)

    async def _execute(self, run: ClaimedRun) -> None:
        self._metrics.claimed(run)
        started = time.monotonic()
        try:
            state = await self._hold_and_work(run)
        except LeaseLost:
            _log.warning("lost the lease", extra={"attempt": run.attempt})
            self._metrics.lease_lost(run.tenant_id)
        except DependencyUnavailable:
            _log.error("result could not be recorded in time; the run is executed again", extra={"attempt": run.attempt})
        else:
            seconds = time.monotonic() - started
            self._metrics.ended(run, state, seconds)
            _log.info("attempt ended", extra={"state": state.value, "attempt": run.attempt, "seconds": round(seconds, 3)})

    async def _hold_and_work(self, run: ClaimedRun) -> RunState:
        work = asyncio.create_task(self._work(run))
        lease = asyncio.create_task(self._hold(run))
        try:
            await asyncio.wait({work, lease}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return await self._record(run, work.result())
            return await self._interrupt(run, work, lease.result())
        except asyncio.CancelledError:
            await _stop(work)
            await self._put_back(run)
            raise
        finally:
            await _stop(work)
            await _stop(lease)

    async def _hold(self, run: ClaimedRun) -> LeaseStatus:
        """Renews the lease until it is lost or the run is to be cancelled."""
        async with self._events.of_run(run.id, self._timing.renew_every_seconds) as news:
            async for item in news:
                if item is RunNews.STARTED:
                    continue
                status = await self._renew(run)
                if status is not LeaseStatus.HELD:
                    return status
        raise LeaseLost

    async def _renew(self, run: ClaimedRun) -> LeaseStatus:
        try:
            return await self._queue.renew(run)
        except DependencyUnavailable:
            # The lease may survive the outage; whether it did is found out by the next renewal, or by the fencing token.
            return LeaseStatus.HELD

    async def _interrupt(self, run: ClaimedRun, work: asyncio.Task[Attempt], status: LeaseStatus) -> RunState:
        await _stop(work)
        if status is LeaseStatus.LOST:
            raise LeaseLost
        return await self._persist(self._queue.acknowledge_cancel, run)

    async def _put_back(self, run: ClaimedRun) -> None:
        try:
            await self._queue.release(run)
        except (LeaseLost, DependencyUnavailable):
            _log.warning("run could not be put back; it is claimed again when its lease ends")

    async def _work(self, run: ClaimedRun) -> Attempt:
        try:
            dataset = await self._registry.dataset(run.tenant_id, run.dataset_id)
            if dataset.max_concurrent_runs != run.tenant_cap:
                await self._queue.follow_cap(run.tenant_id, dataset.max_concurrent_runs)
        except DatasetNotFound as error:
            await self._switch_off_schedule(run)
            return Failed(RunError(reason_of(error), "The dataset was deleted."))
        except DependencyUnavailable as error:
            return Interrupted(RunError(reason_of(error), error.message), outage=True)
        return await self._attempt.execute(run, dataset)

    async def _switch_off_schedule(self, run: ClaimedRun) -> None:
        if await self._schedules.pause(run.tenant_id, run.dataset_id):
            _log.warning("schedule switched off: its dataset is gone", extra={"dataset_id": run.dataset_id})

    async def _record(self, run: ClaimedRun, attempt: Attempt) -> RunState:
        if isinstance(attempt, Completed):
            state = await self._persist(self._queue.succeed, run, attempt.result, attempt.measurements)
            if attempt.scan:
                self._metrics.scanned(run, attempt.scan)
            return state
        if isinstance(attempt, Failed) or self._used_up(run, attempt):
            return await self._persist(self._queue.give_up, run, attempt.error)
        delay = self._retry.delay_after(run.attempt)
        _log.info("attempt failed, another follows", extra={"reason": attempt.error.reason, "delay_seconds": delay})
        return await self._persist(lambda: self._queue.retry(run, attempt.error, delay, counts=self._counts(run, attempt)))

    def _used_up(self, run: ClaimedRun, attempt: Interrupted) -> bool:
        return self._counts(run, attempt) and run.failures + 1 >= self._retry.max_failures

    def _counts(self, run: ClaimedRun, attempt: Interrupted) -> bool:
        age = (self._now() - run.create_time).total_seconds()
        return not attempt.outage or age > self._retry.outage_patience_seconds

    async def _persist(self, write: Callable[..., Awaitable[RunState]], *arguments: Any) -> RunState:
        """Tries again while the database is away, for as long as patience lasts. Fenced, so that trying again is safe."""
        give_up_at = time.monotonic() + self._timing.record_patience_seconds
        while True:
            try:
                return await write(*arguments)
            except DependencyUnavailable:
                if time.monotonic() > give_up_at:
                    raise
                await asyncio.sleep(_RECORD_RETRY_SECONDS)


async def _stop(task: asyncio.Task[Any]) -> None:
    """Cancels a task and waits until it is over: a scan takes the time to stop its statement in the warehouse."""
    if not task.done():
        task.cancel()
    await asyncio.wait({task})

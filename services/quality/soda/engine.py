"""The SodaCL engine as the service sees it: scan and validate, each carried out in a process of its own.

Nothing of Soda is imported here. A scan runs in a worker that serves only one tenant's one connection; when its time is
over, or it is cancelled, its statements are stopped in the warehouse and the process is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from services.quality.domain.history import HistoryReader
from services.quality.domain.scan import (
    CheckProblem,
    HistoryQuery,
    ScanFailed,
    ScanFailure,
    ScanOutcome,
    ScanRequest,
    ValidatedChecks,
)
from services.quality.soda.canceller import Statements
from services.quality.soda.channel import ChannelClosed
from services.quality.soda.wire import WireError, decode, encode
from services.quality.soda.worker_pool import PoolLimits, Worker, WorkerPool
from services.quality.soda.zygote_client import ZygoteClient, ZygoteFailed

_log = logging.getLogger(__name__)
FAREWELL_SECONDS = 0.5
"""How long a worker may take to stop its own statements before it is killed."""


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Bounds of the engine."""

    pool: PoolLimits = field(default_factory=PoolLimits)
    validate_seconds: float = 10.0
    """A text of the allowed size parses in under two seconds."""
    housekeeping_seconds: float = 15.0


class SodaEngine:
    """Runs scans and validates checks. Use it as `await start()` … `await close()`."""

    def __init__(self, limits: EngineLimits | None = None) -> None:
        self._limits = limits or EngineLimits()
        self.zygote = ZygoteClient()
        self._pool = WorkerPool(self.zygote, self._limits.pool)
        self._running: dict[str, asyncio.Event] = {}
        self._housekeeper: asyncio.Task[None] | None = None
        self._refills: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start the zygote, 1 to 2 s; so that the first scan does not wait for it. Raises ZygoteFailed."""
        await self.zygote.start()
        await self._pool.keep_spare()
        self._housekeeper = asyncio.create_task(self._keep_house())

    async def close(self) -> None:
        """End all workers. Scans still running fail as cancelled."""
        tasks = [*self._refills, *([self._housekeeper] if self._housekeeper else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for cancelled in self._running.values():
            cancelled.set()
        self._pool.drop_all()
        await self.zygote.close()
        # Closed streams say goodbye to the event loop at its next turn.
        await asyncio.sleep(0)

    def cancel(self, run_id: str) -> bool:
        """Stop a running scan, which then raises ScanFailed(CANCELLED). False when no scan of that run is running here."""
        cancelled = self._running.get(run_id)
        if cancelled is not None:
            cancelled.set()
        return cancelled is not None

    async def scan(self, request: ScanRequest, history: HistoryReader) -> ScanOutcome:
        """Carry out a scan. Raises ScanFailed; when the calling task is cancelled, the scan is killed first."""
        cancelled = self._running.setdefault(request.run_id, asyncio.Event())
        try:
            async with asyncio.timeout(request.deadline_seconds):
                worker = await self._pool.take(_binding(request))
        except (TimeoutError, ZygoteFailed) as error:
            self._running.pop(request.run_id, None)
            raise _no_worker(error) from None
        except BaseException:
            self._running.pop(request.run_id, None)
            raise
        try:
            return await self._scan_on(worker, request, history, cancelled)
        finally:
            self._running.pop(request.run_id, None)

    async def _scan_on(self, worker: Worker, request: ScanRequest, history: HistoryReader, cancelled: asyncio.Event) -> ScanOutcome:
        statements = Statements()
        job = asyncio.create_task(_converse(worker, {"op": "scan", "request": encode(request)}, history, statements))
        stop = asyncio.create_task(cancelled.wait())
        try:
            await asyncio.wait({job, stop}, timeout=request.deadline_seconds, return_when=asyncio.FIRST_COMPLETED)
            if job.done():
                return await self._finish(worker, job)
        except asyncio.CancelledError:
            await asyncio.shield(self._kill(worker, job, statements))
            raise
        finally:
            stop.cancel()
        await self._kill(worker, job, statements)
        if cancelled.is_set():
            raise ScanFailed(ScanFailure.CANCELLED, "The run was cancelled.")
        raise ScanFailed(ScanFailure.DEADLINE_EXCEEDED, f"The scan was stopped after {request.deadline_seconds:g} seconds, its time limit.")

    async def _finish(self, worker: Worker, job: asyncio.Task[dict[str, Any]]) -> ScanOutcome:
        try:
            result = job.result()
            outcome = decode(ScanOutcome, result["outcome"]) if "outcome" in result else None
            failure = None if outcome else ScanFailed(ScanFailure(result["failure"]), str(result["message"]))
        except (ChannelClosed, WireError, KeyError, ValueError):
            await self._pool.end(worker)
            raise ScanFailed(ScanFailure.WORKER_DIED, "The process that ran the scan ended unexpectedly.") from None
        except BaseException:
            await self._pool.end(worker)
            raise
        if failure is not None and failure.failure is ScanFailure.OUT_OF_MEMORY:
            await self._pool.end(worker)
        else:
            await self._pool.give_back(worker, int(result.get("memory_kb", 0)))
        if failure is not None:
            raise failure
        assert outcome is not None  # noqa: S101 (one of the two was made above)
        return outcome

    async def _kill(self, worker: Worker, job: asyncio.Task[dict[str, Any]], statements: Statements) -> None:
        with contextlib.suppress(ChannelClosed):
            await worker.handle.channel.send({"op": "cancel"})
        await asyncio.wait({job}, timeout=FAREWELL_SECONDS)
        await self._pool.end(worker)
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        await statements.abort()

    async def validate(self, checks_yaml: str, *, table: str = "") -> ValidatedChecks:
        """Parse a checks text in a process of its own, within bounded time. Raises ScanFailed(WORKER_DIED) when none can be started."""
        try:
            worker = await self._pool.fresh_for_one()
        except ZygoteFailed as error:
            raise _no_worker(error) from None
        job = {"op": "validate", "checks_yaml": checks_yaml, "table": table}
        try:
            async with asyncio.timeout(self._limits.validate_seconds):
                result = await _converse(worker, job, None, Statements())
            return decode(ValidatedChecks, result["validated"])
        except (TimeoutError, ChannelClosed, WireError, KeyError, ValueError):
            problem = CheckProblem(0, 0, "The checks could not be read within their time and memory; make them smaller.")
            return ValidatedChecks((problem,), (), "", (), (), ())
        finally:
            worker.handle.kill()
            self._refill()

    def _refill(self) -> None:
        task = asyncio.create_task(self._keep_spare())
        self._refills.add(task)
        task.add_done_callback(self._refills.discard)

    async def _keep_spare(self) -> None:
        with contextlib.suppress(ZygoteFailed):
            await self._pool.keep_spare()

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(self._limits.housekeeping_seconds)
            self._pool.retire_idle()
            await self._keep_spare()


def _binding(request: ScanRequest) -> Hashable:
    place = (request.database, request.schema)
    return (request.tenant_id, request.connection_id, request.connection_revision, place, request.connection)


def _no_worker(error: Exception) -> ScanFailed:
    if isinstance(error, ZygoteFailed):
        return ScanFailed(ScanFailure.WORKER_DIED, "No process could be started for the scan.")
    return ScanFailed(ScanFailure.DEADLINE_EXCEEDED, "The scan's time was over before a process was free for it.")


async def _converse(worker: Worker, job: dict[str, Any], history: HistoryReader | None, statements: Statements) -> dict[str, Any]:
    """Send a job, answer what the worker asks meanwhile, and return its result. Raises ChannelClosed."""
    channel = worker.handle.channel
    await channel.send(job)
    while True:
        message = await channel.receive()
        kind = message.get("op")
        if kind == "result":
            return message
        if kind == "statement":
            statements.note(message)
        elif kind == "history" and history is not None:
            found = await history.measurements(decode(HistoryQuery, message["query"]))
            await channel.send({"op": "history", "measurements": encode(list(found))})

"""Worker processes by what they are bound to: one tenant, one connection, one revision of it, one schema."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from dataclasses import dataclass, field

from services.quality.soda.zygote_client import WorkerHandle, ZygoteClient


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How many workers there are, and for how long."""

    workers: int = 8
    """Worker processes at most, each with 25 to 60 MB of its own."""
    idle_seconds: float = 300.0
    """A worker that had nothing to do for this long is ended, and its warehouse sessions with it."""
    scans_per_worker: int = 500
    memory_kb: int = 600_000
    """A worker that once used more than this is ended after its scan."""


@dataclass(slots=True)
class Worker:
    """A worker process and its binding; None for one that has not been bound yet."""

    handle: WorkerHandle
    binding: Hashable | None = None
    scans: int = 0
    idle_since: float = field(default_factory=time.monotonic)


class WorkerPool:
    """Lends each worker to one scan at a time. No worker ever changes its binding."""

    def __init__(self, zygote: ZygoteClient, limits: PoolLimits) -> None:
        self._zygote = zygote
        self._limits = limits
        self._idle: list[Worker] = []
        self._busy = 0
        self._spare: Worker | None = None
        self._changed = asyncio.Condition()

    async def take(self, binding: Hashable) -> Worker:
        """A worker for this binding: a warm one, or a fresh one. Waits when all are busy. Raises ZygoteFailed."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._busy < self._limits.workers)
            self._busy += 1
            worker = self._warm(binding)
            self._make_room()
        if worker is not None:
            return worker
        try:
            worker = await self._fresh()
        except BaseException:
            await self._release()
            raise
        worker.binding = binding
        return worker

    async def give_back(self, worker: Worker, memory_kb: int) -> None:
        """Return a healthy worker after its scan."""
        worker.scans += 1
        worker.idle_since = time.monotonic()
        if worker.scans >= self._limits.scans_per_worker or memory_kb > self._limits.memory_kb:
            worker.handle.kill()
        else:
            self._idle.append(worker)
        await self._release()

    async def end(self, worker: Worker) -> None:
        """Kill a worker that is not to be used again."""
        worker.handle.kill()
        await self._release()

    async def fresh_for_one(self) -> Worker:
        """A worker outside the count, for one short job that belongs to no binding. The caller kills it."""
        return await self._fresh()

    async def keep_spare(self) -> None:
        """Fork the next fresh worker ahead of its need."""
        if self._spare is None:
            self._spare = Worker(await self._zygote.fork())

    def retire_idle(self) -> None:
        """End workers that had nothing to do for long."""
        now = time.monotonic()
        for worker in [worker for worker in self._idle if now - worker.idle_since > self._limits.idle_seconds]:
            self._idle.remove(worker)
            worker.handle.kill()

    def drop_all(self) -> None:
        """End every idle worker, and the spare."""
        for worker in [*self._idle, *([self._spare] if self._spare else [])]:
            worker.handle.kill()
        self._idle, self._spare = [], None

    @property
    def idle(self) -> int:
        return len(self._idle)

    def _warm(self, binding: Hashable) -> Worker | None:
        self._drop_dead()
        found = next((worker for worker in reversed(self._idle) if worker.binding == binding), None)
        if found is not None:
            self._idle.remove(found)
        return found

    def _drop_dead(self) -> None:
        for worker in [worker for worker in self._idle if not worker.handle.channel.is_open()]:
            self._idle.remove(worker)
            worker.handle.kill()

    def _make_room(self) -> None:
        while self._idle and self._busy + len(self._idle) > self._limits.workers:
            oldest = min(self._idle, key=lambda worker: worker.idle_since)
            self._idle.remove(oldest)
            oldest.handle.kill()

    async def _fresh(self) -> Worker:
        spare, self._spare = self._spare, None
        if spare is not None and spare.handle.channel.is_open():
            return spare
        if spare is not None:
            spare.handle.kill()
        return Worker(await self._zygote.fork())

    async def _release(self) -> None:
        async with self._changed:
            self._busy -= 1
            self._changed.notify_all()

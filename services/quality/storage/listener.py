"""News of runs by LISTEN, on one connection of its own; handed out to whoever in this process waits for them."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from services.quality.app.ports import RunNews

_log = logging.getLogger(__name__)
_CHANNEL = "quality_runs"
_PING_SECONDS = 5.0
_RECONNECT_SECONDS = (0.1, 5.0)
"""First and longest wait before another connect."""
_WAKES_WORKERS = frozenset({"QUEUED", "SUCCEEDED", "ERRORED", "CANCELLED"})
"""A queued run can be claimed; an ended one leaves a place to its tenant."""


class PostgresRunEvents:
    """`app.ports.RunEvents`. What is sent while the connection is down is lost: each return is told to all as a change."""

    def __init__(self, dsn: str) -> None:
        """`dsn` must lead to Postgres itself: a pooler in transaction mode does not pass notifications."""
        self._dsn = dsn
        self._watchers: defaultdict[str, set[asyncio.Queue[RunNews]]] = defaultdict(set)
        self._work = asyncio.Event()
        self._wait_seconds = _RECONNECT_SECONDS[0]

    @asynccontextmanager
    async def of_run(self, run_id: str, every_seconds: float) -> AsyncIterator[AsyncIterator[RunNews]]:
        # Room for one: a watcher looks at the run itself, so that several pieces of news are one. A cancel must not hide
        # behind the start, though, which its receiver does not look at.
        queue: asyncio.Queue[RunNews] = asyncio.Queue(2)
        self._watchers[run_id].add(queue)
        try:
            yield _news(queue, every_seconds)
        finally:
            self._watchers[run_id].discard(queue)
            if not self._watchers[run_id]:
                del self._watchers[run_id]

    async def wait_for_work(self, timeout_seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._work.wait(), timeout_seconds)
        self._work.clear()

    async def run(self) -> None:
        """Listen until cancelled, connecting again whenever the connection is lost."""
        while True:
            try:
                await self._listen()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                _log.warning("listener lost its connection", extra={"error": type(error).__name__, "wait_seconds": self._wait_seconds})
            await asyncio.sleep(self._wait_seconds)
            self._wait_seconds = min(2 * self._wait_seconds, _RECONNECT_SECONDS[1])

    async def _listen(self) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=_PING_SECONDS, server_settings={"application_name": "quality-listener"})
        try:
            await connection.add_listener(_CHANNEL, self._on_news)
            self._wait_seconds = _RECONNECT_SECONDS[0]
            self._tell_everybody()
            while True:
                await asyncio.sleep(_PING_SECONDS)
                # A half-open connection says nothing for ever: only asking tells.
                await connection.execute("SELECT 1", timeout=_PING_SECONDS)
        finally:
            connection.terminate()

    def _on_news(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        word, _, run_id = str(payload).partition(" ")
        if word in _WAKES_WORKERS:
            self._work.set()
        news = RunNews(word) if word in (RunNews.STARTED, RunNews.CANCEL_REQUESTED) else RunNews.CHANGED
        for queue in self._watchers.get(run_id, ()):
            _put(queue, news)

    def _tell_everybody(self) -> None:
        self._work.set()
        for queues in self._watchers.values():
            for queue in queues:
                _put(queue, RunNews.CHANGED)


def _put(queue: asyncio.Queue[RunNews], news: RunNews) -> None:
    if queue.full():
        queue.get_nowait()
        news = RunNews.CHANGED
    queue.put_nowait(news)


async def _news(queue: asyncio.Queue[RunNews], every_seconds: float) -> AsyncIterator[RunNews]:
    while True:
        try:
            yield await asyncio.wait_for(queue.get(), every_seconds)
        except TimeoutError:
            yield RunNews.NONE

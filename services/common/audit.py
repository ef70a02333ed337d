"""The audit trail: who did what, when and from where, and where such events go."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from services.common.clock import now
from services.common.ids import new_id

_log = logging.getLogger(__name__)

BATCH_LIMIT = 500
"""Most events in one `RecordAuditEvents`; the proto's own limit."""


class Outcome(StrEnum):
    """How the call ended."""

    ALLOWED = "ALLOWED"
    DENIED = "DENIED"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One change, or one denied call."""

    action: str
    """`service.Method`, for example `registry.UpdateConnection`."""
    actor: str
    """The principal's subject, or `anonymous`."""
    outcome: Outcome
    tenant_id: str | None = None
    """None for the platform."""
    resource_type: str = ""
    resource_id: str = ""
    remote_address: str = ""
    request_id: str = ""
    before: Mapping[str, Any] | None = None
    """The fields that changed, without secrets; None for a create or a denied call."""
    after: Mapping[str, Any] | None = None
    """The fields that changed, without secrets; None for a delete or a denied call."""
    id: str = field(default_factory=new_id)
    create_time: datetime = field(default_factory=now)


class AuditSink(Protocol):
    """Where denied calls are reported. Must neither fail the call nor make it wait for long."""

    async def denied(self, event: AuditEvent) -> None:
        """Keep the event."""


SendEvents = Callable[[Sequence[AuditEvent]], Awaitable[None]]


class BufferedAuditSink:
    """Collects events and sends them in batches from a background task, so that no call waits for the audit trail.

    Sending is tried again until it works; when `capacity` events wait, the oldest are dropped, counted in `dropped` and logged.
    """

    def __init__(self, send: SendEvents, *, capacity: int = 10_000, retry_seconds: float = 1.0) -> None:
        """`send` delivers up to `BATCH_LIMIT` events or raises; the same batch may be sent twice (ids tell)."""
        self._send = send
        self._retry_seconds = retry_seconds
        self._capacity = capacity
        self._waiting: deque[AuditEvent] = deque()
        self._filled = asyncio.Event()
        self.dropped = 0
        """Events lost so far because the buffer was full, or because the process ended first."""

    async def denied(self, event: AuditEvent) -> None:
        """Queue a denied call."""
        self.record(event)

    def record(self, event: AuditEvent) -> None:
        """Queue any event."""
        if len(self._waiting) >= self._capacity:
            self._waiting.popleft()
            self._drop(1)
        self._waiting.append(event)
        self._filled.set()

    async def run(self) -> None:
        """Send until cancelled; a last attempt is made then. Give this to `serve` as a background task."""
        try:
            while True:
                await self._filled.wait()
                if not await self._send_batch():
                    await asyncio.sleep(self._retry_seconds)
        finally:
            await self._flush()

    async def _send_batch(self) -> bool:
        """Whether the oldest batch arrived; it leaves the queue only then."""
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_LIMIT))]
        try:
            if batch:
                await self._send(batch)
        except Exception as error:  # whatever it is, a call must not suffer from it and the next attempt may work
            self._waiting.extendleft(reversed(batch))
            _log.warning("Audit events could not be sent.", extra={"waiting": len(self._waiting), "error": type(error).__name__})
            return False
        if not self._waiting:
            self._filled.clear()
        return True

    async def _flush(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * self._retry_seconds):
                while self._waiting and await self._send_batch():
                    continue
        if self._waiting:
            self._drop(len(self._waiting))

    def _drop(self, count: int) -> None:
        self.dropped += count
        if self.dropped == count or self.dropped % 1000 < count:
            _log.error("Audit events were lost.", extra={"dropped": self.dropped})

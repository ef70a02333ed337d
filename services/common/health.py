"""Health that follows what the service needs (grpc.health.v1), and can say no."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio

_log = logging.getLogger(__name__)

HealthCheck = Callable[[], Awaitable[None]]
"""Returns when the thing works; raises, or takes longer than two seconds, when it does not."""

_CHECK_SECONDS = 2.0
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class HealthServicer(health_aio.HealthServicer):  # type: ignore[misc]  # untyped
    """The stock servicer, whose `Watch` ends when the server stops: one open watch would make the stop last its whole grace."""

    def __init__(self, services: Sequence[str]) -> None:
        super().__init__()
        self._stopping = asyncio.Event()
        self._server_status = dict.fromkeys(("", *services), NOT_SERVING)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]) -> None:  # noqa: N802 - gRPC's name
        """Writes the status now and at each change, until the caller leaves or the server stops."""
        watching = asyncio.ensure_future(super().Watch(request, context))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                await watching
        finally:
            watching.cancel()
            stopping.cancel()

    async def set_all(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        """Sets the status of the server and of each of its services; nothing happens once a graceful shutdown has begun."""
        for name in tuple(self._server_status):
            await self.set(name, status)

    def end_watches(self) -> None:
        """Ends every `Watch`, now and later."""
        self._stopping.set()


class HealthMonitor:
    """Tries what the service needs, again and again, and keeps the servicer's answer true."""

    def __init__(self, servicer: HealthServicer, checks: Mapping[str, HealthCheck], interval_seconds: float) -> None:
        self._servicer = servicer
        self._checks = checks
        self._interval_seconds = interval_seconds
        self._failing: frozenset[str] | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._interval_seconds)

    async def look(self) -> None:
        """Try everything once, at the same time, and set the status."""
        results = await asyncio.gather(*(self._fails(name, check) for name, check in self._checks.items()))
        failing = frozenset(name for name in results if name)
        status = NOT_SERVING if failing else SERVING
        await self._servicer.set_all(status)
        if failing != self._failing:
            self._failing = failing
            level = logging.ERROR if failing else logging.INFO
            _log.log(level, "Health changed.", extra={"serving": not failing, "failing": sorted(failing)})

    async def _fails(self, name: str, check: HealthCheck) -> str:
        """The name of the check when it fails, else empty."""
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await check()
        except Exception as error:  # a check says no in whatever way it does
            _log.debug("A health check failed.", extra={"check": name, "error": type(error).__name__})
            return name
        return ""

"""The gRPC server of a service: how it starts, says that it is well, and ends without losing a call."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health_pb2_grpc

from services.common.access import AccessRules
from services.common.audit import AuditSink
from services.common.auth.api_keys import ApiKeyAuthenticator
from services.common.auth.tokens import TokenVerifier
from services.common.health import HealthCheck, HealthMonitor, HealthServicer
from services.common.interceptors.order import interceptors
from services.common.reflection import enable_reflection
from services.common.rpc_errors import ErrorCatalog
from services.common.settings import ServiceSettings
from services.common.startup import CannotStart
from services.common.telemetry import Telemetry, setup_telemetry

_log = logging.getLogger(__name__)

AddServicer = Callable[[grpc.aio.Server], None]
"""For example `functools.partial(add_RegistryServiceServicer_to_server, servicer)`."""
Background = Callable[[], Awaitable[None]]
"""Runs until cancelled; when it ends by itself the service ends too, for its supervisor to start it again."""

_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.so_reuseport", 0),  # else a stale process shares the port and answers every other call
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),  # the gateway lets 1 MiB in; services send each other more
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),  # the gateway pings each 30 s, our own channels each 20 s
    ("grpc.keepalive_permit_without_calls", 1),
)


class BackgroundEnded(Exception):
    """A background task ended though nobody asked it to."""


class _StopSignal:
    """SIGTERM and SIGINT: the first asks for an end, the second for an end at once."""

    def __init__(self) -> None:
        self.requested = asyncio.Event()
        self.hurried = asyncio.Event()

    def __call__(self) -> None:
        (self.hurried if self.requested.is_set() else self.requested).set()


async def serve(
    *,
    settings: ServiceSettings,
    service_name: str,
    servicers: Mapping[str, AddServicer],
    catalog: ErrorCatalog,
    api_keys: ApiKeyAuthenticator,
    audit: AuditSink,
    health_checks: Mapping[str, HealthCheck],
    background: Sequence[Background] = (),
    draining: asyncio.Event | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain: health says NOT_SERVING, calls are still taken for `drain_wait_seconds`, running
    ones have `shutdown_grace_seconds`, background tasks are cancelled. What the caller opened (the pool) it closes afterwards.

    `servicers` are by full service name, `health_checks` by the name of what they try. `draining` is set when the drain
    begins, for streams that would rather end early. Raises CannotStart, and BackgroundEnded after a drain of its own.
    """
    telemetry = setup_telemetry(service_name, settings)
    try:
        server = _server(settings, servicers, catalog, api_keys, audit, telemetry)
        health = HealthServicer(tuple(servicers))
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
        for add in servicers.values():
            add(server)
        enable_reflection(server)
        monitor = HealthMonitor(health, health_checks, settings.health_interval_seconds)
        port = _bind(server, settings.listen)
        with_monitor = (monitor.run, *background)
        await _run(server, settings, health, with_monitor, port, draining or asyncio.Event())
    finally:
        telemetry.close()


def _server(
    settings: ServiceSettings,
    servicers: Mapping[str, AddServicer],
    catalog: ErrorCatalog,
    api_keys: ApiKeyAuthenticator,
    audit: AuditSink,
    telemetry: Telemetry,
) -> grpc.aio.Server:
    ours = interceptors(
        catalog=catalog,
        audit=audit,
        rules=AccessRules.of_services(servicers),
        tokens=TokenVerifier(settings.jwt_jwks_file, settings.jwt_issuer, settings.jwt_audience, settings.service_jwks_file),
        api_keys=api_keys,
        meter=telemetry.meter("services.common"),
    )
    return grpc.aio.server(
        interceptors=[*telemetry.interceptors(), *ours],
        options=_OPTIONS,
        maximum_concurrent_rpcs=settings.maximum_concurrent_calls,
    )


def _bind(server: grpc.aio.Server, listen: str) -> int:
    try:
        return server.add_insecure_port(listen)
    except RuntimeError as error:
        raise CannotStart(f"the address {listen} cannot be listened on: is another process there?") from error


async def _run(
    server: grpc.aio.Server,
    settings: ServiceSettings,
    health: HealthServicer,
    background: Sequence[Background],
    port: int,
    draining: asyncio.Event,
) -> None:
    with_signals = _stop_signal()
    async with with_signals as stop:
        await server.start()
        tasks = [asyncio.create_task(_named(task)) for task in background]
        _log.info("Serving.", extra={"address": f"{settings.listen.rpartition(':')[0]}:{port}", "port": port})
        try:
            await _until_stop(stop, tasks)
        finally:
            draining.set()
            await _drain(server, settings, health, stop)
            await _cancel(tasks)
            _log.info("Stopped.")


@asynccontextmanager
async def _stop_signal() -> AsyncIterator[_StopSignal]:
    stop = _StopSignal()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop)
    try:
        yield stop
    finally:
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(signum)


async def _named(task: Background) -> None:
    await task()
    raise BackgroundEnded(f"the background task {getattr(task, '__qualname__', task)} ended by itself")


async def _until_stop(stop: _StopSignal, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Returns at a signal. Raises what a background task raised, when one ends first."""
    waiting = asyncio.create_task(stop.requested.wait())
    try:
        await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        waiting.cancel()


async def _drain(server: grpc.aio.Server, settings: ServiceSettings, health: HealthServicer, stop: _StopSignal) -> None:
    _log.info("Draining.")
    await health.enter_graceful_shutdown()
    # Calls that clients send before they have seen NOT_SERVING are still taken: stop() alone cancels some of them.
    await _sleep_unless(stop.hurried, settings.drain_wait_seconds)
    health.end_watches()
    stopping = asyncio.create_task(server.stop(settings.shutdown_grace_seconds))
    hurried = asyncio.create_task(stop.hurried.wait())
    await asyncio.wait({stopping, hurried}, return_when=asyncio.FIRST_COMPLETED)
    if hurried.done():
        await server.stop(0)
    hurried.cancel()
    await stopping


async def _sleep_unless(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception) and not isinstance(result, BackgroundEnded):
            _log.error("A background task failed.", exc_info=result)

"""A server of the kit inside the test's own process, with all its interceptors, on a free port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from grpc_health.v1 import health_pb2_grpc
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, generate_latest

from services.common.access import AccessRules
from services.common.audit import AuditEvent
from services.common.auth.api_keys import ApiKeyAuthenticator, NoApiKeys
from services.common.auth.tokens import TokenVerifier
from services.common.health import SERVING, HealthServicer
from services.common.interceptors.order import interceptors
from services.common.reflection import enable_reflection
from services.common.rpc_errors import COMMON_CATALOG, ErrorCatalog
from services.common.server import AddServicer


@dataclass(slots=True)
class RecordingAuditSink:
    """Keeps denied calls for a test to look at."""

    events: list[AuditEvent] = field(default_factory=list)

    async def denied(self, event: AuditEvent) -> None:
        """Append."""
        self.events.append(event)


@dataclass(frozen=True, slots=True)
class TestServer:
    """Where the server is, and what it recorded."""

    __test__ = False

    address: str
    audit: RecordingAuditSink
    registry: CollectorRegistry

    def metrics(self) -> str:
        """What `/metrics` would answer."""
        return generate_latest(self.registry).decode()


@asynccontextmanager
async def running_server(
    servicers: Mapping[str, AddServicer],
    tokens: TokenVerifier,
    *,
    catalog: ErrorCatalog = COMMON_CATALOG,
    api_keys: ApiKeyAuthenticator | None = None,
    more_interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
) -> AsyncIterator[TestServer]:
    """Serves inside the block. `servicers` as in `serve`; health always says SERVING."""
    registry = CollectorRegistry()
    meters = MeterProvider(metric_readers=[PrometheusMetricReader(scope_info_enabled=False, registry=registry)])
    audit = RecordingAuditSink()
    ours = interceptors(
        catalog=catalog,
        audit=audit,
        rules=AccessRules.of_services(servicers),
        tokens=tokens,
        api_keys=api_keys or NoApiKeys(),
        meter=meters.get_meter("test"),
    )
    server = grpc.aio.server(interceptors=[*more_interceptors, *ours], options=[("grpc.so_reuseport", 0)])
    health = HealthServicer(tuple(servicers))
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    for add in servicers.values():
        add(server)
    enable_reflection(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await health.set_all(SERVING)
    await server.start()
    try:
        yield TestServer(f"127.0.0.1:{port}", audit, registry)
    finally:
        health.end_watches()
        await server.stop(1)
        meters.shutdown()

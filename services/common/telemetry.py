"""Metrics for Prometheus always at hand, traces over OTLP only when the operator names a collector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation.grpc import aio_server_interceptor
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, start_http_server

from services.common.settings import ServiceSettings
from services.common.startup import CannotStart


class TelemetryError(CannotStart):
    """The metrics port cannot be opened; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What `setup_telemetry` started."""

    meters: MeterProvider
    registry: CollectorRegistry
    """What `/metrics` shows."""
    tracers: TracerProvider | None
    _http: Any
    metrics_port: int | None
    """Port of `/metrics`; None when there is none."""

    def meter(self, name: str) -> Meter:
        """A meter of this process's provider, whatever a library made the global one."""
        return self.meters.get_meter(name)

    def interceptors(self) -> Sequence[grpc.aio.ServerInterceptor]:
        """Those that make spans of calls: none without a collector, for they cost half as much as the call itself."""
        if self.tracers is None:
            return []
        make: Any = aio_server_interceptor  # untyped
        return [make(tracer_provider=self.tracers)]

    def close(self) -> None:
        """Send what waits and close the port."""
        if self._http is not None:
            server, thread = self._http
            server.shutdown()
            server.server_close()
            thread.join(5)
        self.meters.shutdown()
        if self.tracers is not None:
            self.tracers.shutdown()


def setup_telemetry(service: str, settings: ServiceSettings) -> Telemetry:
    """Starts metrics, and traces when `otlp_endpoint` is set. Raises TelemetryError when the metrics port is taken."""
    resource = Resource.create({SERVICE_NAME: f"chalkandduster-{service}"})
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    # Without scope_info_enabled=False each series carries three more labels.
    reader = PrometheusMetricReader(scope_info_enabled=False, registry=registry)
    meters = MeterProvider(metric_readers=[reader], resource=resource)
    http = _serve_metrics(settings, registry)
    tracers = _traces(settings, resource)
    metrics.set_meter_provider(meters)
    return Telemetry(meters, registry, tracers, http, http[0].server_port if http is not None else None)


def meter(name: str) -> Meter:
    """A meter of the process, for modules that make their instruments where they use them (after `setup_telemetry`)."""
    return metrics.get_meter(name)


def _serve_metrics(settings: ServiceSettings, registry: CollectorRegistry) -> Any:
    if settings.metrics_port is None:
        return None
    host = settings.listen.rpartition(":")[0].strip("[]")
    try:
        return start_http_server(settings.metrics_port, addr=host, registry=registry)
    except OSError as error:
        raise TelemetryError(f"the metrics port {settings.metrics_port} on {host} cannot be opened: {error.strerror}") from error


def _traces(settings: ServiceSettings, resource: Resource) -> TracerProvider | None:
    if settings.otlp_endpoint is None:
        return None
    tracers = TracerProvider(resource=resource)
    insecure = not settings.otlp_endpoint.startswith("https://")
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.otlp_endpoint, insecure=insecure)))
    trace.set_tracer_provider(tracers)
    return tracers

"""The metrics as Prometheus reads them: names are what dashboards and alerts are written against."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry

from services.quality.app.ports import QueueDepth
from services.quality.domain.run import ClaimedRun, RunKind, RunState, RunTrigger
from services.quality.domain.scan import CheckVerdict
from services.quality.metrics import RunMetrics
from tests.unit.quality.fake_store import utc_now
from tests.unit.quality.fakes import TENANT, check_result, outcome

_RUN = ClaimedRun("r", TENANT, "d", "a", (RunKind.QUALITY,), RunTrigger.API, {}, 1, 0, "token", utc_now(), 0.02, 4)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Iterator[RunMetrics]:
    provider = MeterProvider(metric_readers=[PrometheusMetricReader(scope_info_enabled=False, registry=registry)])
    yield RunMetrics(provider.get_meter("test"))
    provider.shutdown()


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"chalkandduster_quality_{name}", {"tenant": TENANT, **labels})


def test_checks_runs_and_warehouse_work_are_counted_by_tenant(metrics: RunMetrics, registry: CollectorRegistry) -> None:
    metrics.claimed(_RUN)
    metrics.scanned(_RUN, outcome(check_result(CheckVerdict.FAIL), check_result(), check_result()))
    metrics.ended(_RUN, RunState.SUCCEEDED, 0.3)
    metrics.lease_lost(TENANT)
    assert value(registry, "checks_total") == 3
    assert value(registry, "checks_failed_total") == 1
    assert value(registry, "attempts_total", state="SUCCEEDED") == 1
    assert value(registry, "leases_lost_total") == 1
    assert value(registry, "warehouse_statements_total") == 1
    assert value(registry, "warehouse_time_seconds_total") == 0.01
    assert value(registry, "claim_latency_seconds_count") == 1
    assert value(registry, "attempt_duration_seconds_sum") == 0.3


def test_a_tenant_without_failures_has_a_series_that_says_zero(metrics: RunMetrics, registry: CollectorRegistry) -> None:
    metrics.scanned(_RUN, outcome(check_result()))
    assert value(registry, "checks_failed_total") == 0


def test_a_queue_that_emptied_is_told_as_empty(metrics: RunMetrics, registry: CollectorRegistry) -> None:
    metrics.queue_depths([QueueDepth(TENANT, 7, 2, 12.5)])
    assert [value(registry, name) for name in ("queue_depth", "runs_running", "queue_age_seconds")] == [7, 2, 12.5]
    metrics.queue_depths([])
    assert [value(registry, name) for name in ("queue_depth", "runs_running", "queue_age_seconds")] == [0, 0, 0]

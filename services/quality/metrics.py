"""The metrics of quality. Labels name the tenant, never dataset or check: those have no bound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from services.quality.app.ports import QueueDepth
from services.quality.domain.run import ClaimedRun, RunState
from services.quality.domain.scan import CheckVerdict, ScanOutcome

_RUN_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_CLAIM_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0)


class RunMetrics:
    """`app.ports.Metrics`. `_total` and `_seconds` are added to the names by the exporter."""

    def __init__(self, meter: Meter) -> None:
        self._checks = meter.create_counter("chalkandduster_quality_checks", description="Checks that ran")
        self._failed = meter.create_counter("chalkandduster_quality_checks_failed", description="Checks whose verdict was FAIL")
        self._runs = meter.create_counter("chalkandduster_quality_attempts", description="Attempts of runs by the state they led to")
        self._run_seconds = meter.create_histogram(
            "chalkandduster_quality_attempt_duration",
            unit="s",
            description="From claim to record",
            explicit_bucket_boundaries_advisory=_RUN_SECONDS,
        )
        self._claim_seconds = meter.create_histogram(
            "chalkandduster_quality_claim_latency",
            unit="s",
            description="From due to claimed",
            explicit_bucket_boundaries_advisory=_CLAIM_SECONDS,
        )
        self._lost = meter.create_counter("chalkandduster_quality_leases_lost", description="Attempts whose lease was lost")
        self._statements = meter.create_counter("chalkandduster_quality_warehouse_statements", description="Statements sent")
        self._warehouse_seconds = meter.create_counter(
            "chalkandduster_quality_warehouse_time", unit="s", description="Seconds that warehouses worked"
        )
        self._depths: Sequence[QueueDepth] = ()
        meter.create_observable_gauge("chalkandduster_quality_queue_depth", [self._queued], description="Runs that wait")
        meter.create_observable_gauge("chalkandduster_quality_runs_running", [self._running], description="Runs that execute")
        meter.create_observable_gauge(
            "chalkandduster_quality_queue_age", [self._ages], unit="s", description="Age of the oldest run that waits"
        )

    def claimed(self, run: ClaimedRun) -> None:
        self._claim_seconds.record(max(run.queued_seconds, 0.0), {"tenant": run.tenant_id})

    def ended(self, run: ClaimedRun, state: RunState, seconds: float) -> None:
        self._runs.add(1, {"tenant": run.tenant_id, "state": state.value})
        self._run_seconds.record(seconds, {"tenant": run.tenant_id})

    def scanned(self, run: ClaimedRun, outcome: ScanOutcome) -> None:
        tenant = {"tenant": run.tenant_id}
        failed = sum(check.verdict is CheckVerdict.FAIL for check in outcome.checks)
        self._checks.add(len(outcome.checks), tenant)
        # Also by 0: a series that exists is one that an alert can compare.
        self._failed.add(failed, tenant)
        self._statements.add(outcome.statements, tenant)
        self._warehouse_seconds.add(outcome.warehouse_seconds, tenant)

    def lease_lost(self, tenant_id: str) -> None:
        self._lost.add(1, {"tenant": tenant_id})

    def queue_depths(self, depths: Sequence[QueueDepth]) -> None:
        gone = {depth.tenant_id for depth in self._depths} - {depth.tenant_id for depth in depths}
        # A tenant whose queue is empty is told once more, as empty: its last value would stand for ever.
        self._depths = [*depths, *(QueueDepth(tenant, 0, 0, 0.0) for tenant in sorted(gone))]

    def _queued(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(depth.queued, {"tenant": depth.tenant_id}) for depth in self._depths]

    def _running(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(depth.running, {"tenant": depth.tenant_id}) for depth in self._depths]

    def _ages(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(depth.oldest_seconds, {"tenant": depth.tenant_id}) for depth in self._depths]

"""A claimed run, executed against stand-ins: how each outcome is recorded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from services.common.audit import AuditEvent, Outcome
from services.common.errors import DependencyUnavailable, EgressDenied
from services.common.ids import new_id
from services.quality.app.attempt_run import AttemptRun, ScanLimits
from services.quality.app.execute_run import ExecuteRun, LeaseTiming
from services.quality.app.other_sources import OtherSources
from services.quality.app.ports import LeaseStatus
from services.quality.domain.drift import DriftFailed, DriftFinding, DriftKind, DriftSeverity
from services.quality.domain.kinds import KindChoice
from services.quality.domain.retry import RetryPolicy
from services.quality.domain.run import ClaimedRun, NewRun, Run, RunKind, RunResult, RunState, RunTrigger, RunVerdict
from services.quality.domain.scan import CheckVerdict, HistoryQuery, Measurement, ScanFailed, ScanFailure, ValidatedChecks
from services.quality.domain.schedule import NewSchedule
from tests.unit.quality.fake_schedules import FakeSchedules
from tests.unit.quality.fake_store import FakeStore, utc_now
from tests.unit.quality.fakes import (
    CONNECTION,
    TENANT,
    CountingMetrics,
    FakeDrift,
    FakeEngine,
    FakeRegistry,
    OpenEgress,
    check_result,
    definition,
    outcome,
)

DATASET = "01900000-0000-7000-8000-0000000000d1"
EVENT = AuditEvent("quality.TriggerDataset", "anna", Outcome.ALLOWED, TENANT)


@dataclass
class World:
    """Everything around one execution."""

    store: FakeStore = field(default_factory=FakeStore)
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    engine: FakeEngine = field(default_factory=FakeEngine)
    egress: OpenEgress = field(default_factory=OpenEgress)
    metrics: CountingMetrics = field(default_factory=CountingMetrics)
    drift: FakeDrift | None = None
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy((0.0, 0.0, 0.0)))

    def executor(self) -> ExecuteRun:
        kinds = KindChoice(drift_available=self.drift is not None)
        sources = OtherSources(self.registry, self.engine, self.egress)
        attempt = AttemptRun(self.engine, self.drift, self.store, self.egress, sources, kinds, ScanLimits(300, 120))
        schedules = FakeSchedules(self.store)
        timing = LeaseTiming(0.02, 0.2)
        return ExecuteRun(self.store, self.registry, schedules, self.store, attempt, self.retry, timing, self.metrics, utc_now)

    async def claimed(self, *kinds: RunKind, trigger: RunTrigger = RunTrigger.MANUAL) -> ClaimedRun:
        new = NewRun(new_id(), TENANT, DATASET, "customers", kinds or (RunKind.QUALITY,), trigger, "anna", {"limit": "9"})
        await self.store.enqueue(new, 4, EVENT)
        claimed = await self.store.claim()
        assert claimed is not None
        return claimed

    async def executed(self, *kinds: RunKind) -> Run:
        run = await self.claimed(*kinds)
        await self.executor().execute(run)
        return await self.run(run)

    async def run(self, run: ClaimedRun) -> Run:
        return await self.store.get(TENANT, run.id, with_results=True)


@pytest.fixture
def world() -> World:
    found = World()
    found.registry.put(TENANT, definition(DATASET))
    return found


async def test_a_scan_that_ran_ends_the_run_with_its_results_and_measurements(world: World) -> None:
    measurement = Measurement("row_count", "3", utc_now())
    world.engine.result = outcome(check_result(CheckVerdict.FAIL), check_result(CheckVerdict.PASS), measurements=[measurement])
    ended = await world.executed()
    assert (ended.state, ended.verdict, ended.counts.total) == (RunState.SUCCEEDED, RunVerdict.FAIL, 2)
    reader = world.store.of_dataset(TENANT, DATASET)
    assert await reader.measurements(HistoryQuery("row_count")) == [measurement]
    assert (world.metrics.states, world.metrics.scans) == ([RunState.SUCCEEDED], 1)


async def test_the_scan_is_asked_for_what_dataset_and_trigger_say(world: World) -> None:
    world.registry.put(TENANT, definition(DATASET, schema="SALES", table="orders"))
    await world.executed()
    (request,) = world.engine.requests
    assert (request.schema, request.table, request.connection, request.attempt) == ("SALES", "orders", CONNECTION.spec, 1)
    assert request.variables == {"region": "EU", "limit": "9"}


@pytest.mark.parametrize("failure", [ScanFailure.WAREHOUSE_UNREACHABLE, ScanFailure.WORKER_DIED])
async def test_a_failure_of_the_infrastructure_is_tried_again_until_its_attempts_are_used_up(world: World, failure: ScanFailure) -> None:
    world.engine.result = ScanFailed(failure, "not now")
    run = await world.claimed()
    states = []
    while True:
        await world.executor().execute(run)
        states.append((await world.run(run)).state)
        if (again := await world.store.claim()) is None:
            break
        run = again
    assert states == [RunState.QUEUED] * 3 + [RunState.ERRORED]
    ended = await world.run(run)
    assert (ended.attempts, ended.verdict, ended.error and ended.error.message) == (4, RunVerdict.ERROR, "not now")


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (ScanFailure.WAREHOUSE_REFUSED_LOGIN, "WAREHOUSE_REFUSED_LOGIN"),
        (ScanFailure.INVALID_CHECKS, "INVALID_CHECKS"),
        (ScanFailure.DEADLINE_EXCEEDED, "SCAN_DEADLINE_EXCEEDED"),
        (ScanFailure.OUT_OF_MEMORY, "SCAN_OUT_OF_MEMORY"),
    ],
)
async def test_what_only_a_person_can_mend_ends_the_run_at_once(world: World, failure: ScanFailure, reason: str) -> None:
    world.engine.result = ScanFailed(failure, "in plain words")
    ended = await world.executed()
    assert (ended.state, ended.verdict, ended.attempts) == (RunState.ERRORED, RunVerdict.ERROR, 1)
    assert ended.error is not None
    assert (ended.error.reason, ended.error.message) == (reason, "in plain words")


async def test_an_outage_of_the_registry_uses_up_no_attempt(world: World) -> None:
    world.registry.error = DependencyUnavailable()
    run = await world.claimed()
    for _ in range(6):
        await world.executor().execute(run)
        run = await world.store.claim() or pytest.fail("the run is not in the queue any more")
    world.registry.error = None
    await world.executor().execute(run)
    assert (await world.run(run)).state is RunState.SUCCEEDED


async def test_an_outage_longer_than_the_patience_ends_the_run(world: World) -> None:
    world.registry.error = DependencyUnavailable()
    world.retry = RetryPolicy((0.0,), outage_patience_seconds=0)
    run = await world.claimed()
    await world.executor().execute(run)
    again = await world.store.claim()
    assert again is not None
    await world.executor().execute(again)
    ended = await world.run(run)
    assert ended.error is not None
    assert (ended.state, ended.error.reason) == (RunState.ERRORED, "DEPENDENCY_UNAVAILABLE")


async def test_a_cancel_stops_the_scan_and_ends_the_run_without_results(world: World) -> None:
    world.engine.gate = asyncio.Event()
    run = await world.claimed()
    execution = asyncio.create_task(world.executor().execute(run))
    await world.engine.started.wait()
    await world.store.cancel(TENANT, run.id, EVENT)
    await execution
    assert world.engine.cancelled == 1
    ended = await world.run(run)
    assert (ended.state, ended.checks) == (RunState.CANCELLED, ())


async def test_a_lost_lease_stops_the_scan_and_records_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.engine.gate = asyncio.Event()
    world.store.lease_seconds = -1  # run out from the start
    run = await world.claimed()
    world.store.lease_seconds = 60
    await world.store.expire_lease()
    second = await world.store.claim()
    assert second is not None
    await world.executor().execute(run)
    assert (world.engine.cancelled, world.metrics.lost) == (1, 1)
    assert "lost the lease" in caplog.messages
    assert await world.store.renew(second) is LeaseStatus.HELD


async def test_a_drained_worker_puts_its_run_back_and_stops_the_scan(world: World) -> None:
    world.engine.gate = asyncio.Event()
    run = await world.claimed()
    execution = asyncio.create_task(world.executor().execute(run))
    await world.engine.started.wait()
    execution.cancel()
    with pytest.raises(asyncio.CancelledError):
        await execution
    waiting = await world.run(run)
    assert (waiting.state, waiting.error, world.engine.cancelled) == (RunState.QUEUED, None, 1)
    again = await world.store.claim()
    assert again is not None
    assert again.failures == 0


@dataclass
class FlakyStore(FakeStore):
    """A store whose writes of results fail a few times."""

    outages: int = 0

    async def succeed(self, run: ClaimedRun, result: RunResult, measurements: Sequence[Measurement]) -> RunState:
        if self.outages:
            self.outages -= 1
            raise DependencyUnavailable
        return await super().succeed(run, result, measurements)


async def test_a_result_outlives_a_short_outage_of_the_database(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.quality.app.execute_run._RECORD_RETRY_SECONDS", 0.01)
    world.store = FlakyStore(outages=3)
    assert (await world.executed()).state is RunState.SUCCEEDED
    assert len(world.engine.requests) == 1


async def test_a_result_that_cannot_be_recorded_in_time_leaves_the_run_to_its_lease(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("services.quality.app.execute_run._RECORD_RETRY_SECONDS", 0.05)
    world.store = FlakyStore(outages=1000)
    assert (await world.executed()).state is RunState.RUNNING
    assert any("could not be recorded" in message for message in caplog.messages)


async def test_a_deleted_dataset_ends_the_run_and_switches_its_schedule_off(world: World) -> None:
    world.registry.datasets.clear()
    schedule = NewSchedule(TENANT, DATASET, "customers", "* * * * *", "UTC", False, (), utc_now() + timedelta(hours=1))
    await FakeSchedules(world.store).set(schedule, None, EVENT)
    ended = await world.executed()
    assert ended.error is not None
    assert (ended.state, ended.error.reason) == (RunState.ERRORED, "DATASET_NOT_FOUND")
    switched_off = await FakeSchedules(world.store).get(TENANT, DATASET)
    assert switched_off is not None
    assert switched_off.paused


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: replace(d, tenant_active=False), "TENANT_SUSPENDED"),
        (lambda d: replace(d, checks_yaml=""), "NOTHING_TO_RUN"),
    ],
)
async def test_what_became_impossible_meanwhile_ends_the_run(world: World, change: Callable[..., object], reason: str) -> None:
    world.registry.datasets[(TENANT, DATASET)] = change(definition(DATASET))  # type: ignore[assignment]
    ended = await world.executed()
    assert ended.error is not None
    assert (ended.state, ended.error.reason) == (RunState.ERRORED, reason)
    assert world.engine.requests == []


async def test_a_forbidden_address_is_not_scanned(world: World) -> None:
    world.egress.error = EgressDenied("postgres.host", "leads to a loopback address")
    ended = await world.executed()
    assert ended.error is not None
    assert (ended.state, ended.error.reason) == (RunState.ERRORED, "EGRESS_DENIED")
    assert world.engine.requests == []


async def test_an_unforeseen_error_ends_the_run_without_telling_what_it_was(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.engine.result = RuntimeError("dsn=postgres://user:secret@db")
    with caplog.at_level(logging.ERROR):
        ended = await world.executed()
    assert ended.error is not None
    assert (ended.state, ended.error.reason) == (RunState.ERRORED, "INTERNAL")
    assert "secret" not in ended.error.message
    assert any(record.exc_info for record in caplog.records)


async def test_a_cap_that_the_registry_changed_is_taken_over(world: World) -> None:
    world.registry.put(TENANT, definition(DATASET, max_concurrent_runs=9))
    await world.executed()
    assert world.store.caps[TENANT] == 9


async def test_connections_that_checks_name_are_resolved_and_unknown_ones_left_to_their_check(world: World) -> None:
    text = "checks for a:\n- row_count same as b in other\n- row_count same as b in nowhere\n"
    world.registry.put(TENANT, definition(DATASET, checks_yaml=text))
    world.registry.connections[(TENANT, "other")] = CONNECTION
    world.engine.validated = ValidatedChecks((), (), "", ("other", "nowhere"), (), ())
    await world.executed()
    assert world.engine.requests[0].other_sources == {"other": CONNECTION.spec}


def _finding(severity: DriftSeverity) -> DriftFinding:
    return DriftFinding("f", DATASET, DriftKind.VOLUME, "volume_drop", (), "fewer", severity, 0.9, None, None, None)


async def test_drift_is_evaluated_beside_the_scan_and_counts_for_the_verdict(world: World) -> None:
    world.drift = FakeDrift([_finding(DriftSeverity.CRITICAL)])
    ended = await world.executed(RunKind.QUALITY, RunKind.DRIFT)
    assert (ended.verdict, len(ended.checks), len(ended.drifts)) == (RunVerdict.FAIL, 1, 1)


async def test_a_drift_service_that_is_away_is_waited_for_like_any_other(world: World) -> None:
    world.drift = FakeDrift(DependencyUnavailable())
    waiting = await world.executed(RunKind.QUALITY, RunKind.DRIFT)
    assert waiting.error is not None
    assert (waiting.state, waiting.error.reason, waiting.checks) == (RunState.QUEUED, "DEPENDENCY_UNAVAILABLE", ())


async def test_a_run_of_drift_alone_scans_nothing(world: World) -> None:
    world.drift = FakeDrift()
    ended = await world.executed(RunKind.DRIFT)
    assert (ended.verdict, world.engine.requests) == (RunVerdict.PASS, [])


async def test_drift_that_cannot_be_evaluated_costs_no_check_and_is_told(world: World) -> None:
    world.drift = FakeDrift(DriftFailed("TABLE_NOT_FOUND", "There is no table."))
    ended = await world.executed(RunKind.QUALITY, RunKind.DRIFT)
    assert (ended.state, ended.verdict, len(ended.checks)) == (RunState.SUCCEEDED, RunVerdict.WARN, 1)
    assert (ended.drifts[0].change, ended.drifts[0].message) == ("not_evaluated", "Drift could not be evaluated: There is no table.")


async def test_run_of_drift_alone_says_why_it_cannot_be_evaluated(world: World) -> None:
    world.drift = FakeDrift(DriftFailed("TABLE_NOT_FOUND", "There is no table."))
    ended = await world.executed(RunKind.DRIFT)
    assert ended.error is not None
    assert (ended.state, ended.error.reason) == (RunState.ERRORED, "TABLE_NOT_FOUND")
    world.drift = FakeDrift(DriftFailed("WAREHOUSE_UNREACHABLE", "Nobody is there.", retry=True))
    assert (await world.executed(RunKind.DRIFT)).state is RunState.QUEUED

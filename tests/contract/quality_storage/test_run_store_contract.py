"""What callers may rely on of the run store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.common.audit import AuditEvent, Outcome
from services.common.ids import new_id
from services.quality.app.ports import MessageKind
from services.quality.domain.drift import DriftFinding, DriftKind, DriftSeverity
from services.quality.domain.errors import RunEnded, RunNotFound
from services.quality.domain.run import (
    ClaimedRun,
    NewRun,
    Run,
    RunFilter,
    RunKey,
    RunKind,
    RunResult,
    RunState,
    RunTrigger,
    RunVerdict,
)
from services.quality.domain.scan import CheckVerdict, FailedRows
from tests.contract.quality_storage.conftest import Store
from tests.unit.quality.fake_store import utc_now
from tests.unit.quality.fakes import OTHER_TENANT, TENANT, check_result

DATASET = "01900000-0000-7000-8000-0000000000d1"


def audit(tenant: str = TENANT, action: str = "quality.TriggerDataset") -> AuditEvent:
    return AuditEvent(action, "anna", Outcome.ALLOWED, tenant, "run", "some-run", after={"emoji": "🦆"})


async def queue_run(store: Store, tenant: str = TENANT, cap: int = 4, **changes: object) -> Run:
    new = NewRun(new_id(), tenant, DATASET, "customers", (RunKind.QUALITY,), RunTrigger.MANUAL, "anna", {"region": "EU"})
    return await store.runs.enqueue(replace(new, **changes), cap, audit(tenant))  # type: ignore[arg-type]


async def claim(store: Store) -> ClaimedRun:
    claimed = await store.queue.claim()
    assert claimed is not None
    return claimed


async def test_a_queued_run_is_answered_as_it_was_triggered(store: Store) -> None:
    queued = await queue_run(store)
    found = await store.runs.get(TENANT, queued.id, with_results=True)
    assert found == queued
    assert (found.state, found.kinds, found.trigger, found.triggered_by) == (
        RunState.QUEUED,
        (RunKind.QUALITY,),
        RunTrigger.MANUAL,
        "anna",
    )
    assert (found.attempts, found.verdict, found.start_time, found.next_attempt_time) == (0, None, None, None)


async def test_the_same_request_id_answers_the_same_run_and_queues_nothing(store: Store) -> None:
    first = await queue_run(store, request_id="r-1")
    second = await queue_run(store, request_id="r-1")
    other_dataset = await queue_run(store, request_id="r-1", dataset_id=new_id())
    assert second.id == first.id
    assert other_dataset.id != first.id
    assert len(await store.runs.list(TENANT, RunFilter(), 10, None)) == 2
    assert await store.runs.find_by_request(TENANT, DATASET, "r-1") == first
    assert await store.runs.find_by_request(OTHER_TENANT, DATASET, "r-1") is None


async def test_another_tenant_finds_no_run_and_changes_none(store: Store) -> None:
    run = await queue_run(store)
    with pytest.raises(RunNotFound):
        await store.runs.get(OTHER_TENANT, run.id, with_results=True)
    with pytest.raises(RunNotFound):
        await store.runs.cancel(OTHER_TENANT, run.id, audit(OTHER_TENANT))
    with pytest.raises(RunNotFound):
        await store.runs.failed_rows(OTHER_TENANT, run.id)
    assert await store.runs.list(OTHER_TENANT, RunFilter(), 10, None) == []
    assert await store.runs.active_run_ids(OTHER_TENANT, DATASET, 10) == []
    assert (await store.runs.get(TENANT, run.id, with_results=False)).state is RunState.QUEUED


async def test_results_come_back_in_the_order_of_the_yaml_with_all_their_fields(store: Store) -> None:
    run = await queue_run(store)
    kept = FailedRows(("id", "name"), (("1", None), ("2", "o'brien 🦆")))
    checks = (
        check_result(CheckVerdict.PASS, message="", measured_value=None, failed_rows_count=None),
        check_result(CheckVerdict.FAIL, samples=kept),
        check_result(CheckVerdict.NOT_EVALUATED),
    )
    finding = DriftFinding(
        new_id(), DATASET, DriftKind.VOLUME, "volume_drop", ("a",), "fewer", DriftSeverity.WARNING, 0.9, 10.0, None, utc_now()
    )
    result = RunResult(RunVerdict.FAIL, checks, (finding,))
    assert await store.queue.succeed(await claim(store), result, ()) is RunState.SUCCEEDED
    found = await store.runs.get(TENANT, run.id, with_results=True)
    assert (found.state, found.verdict, found.drifts) == (RunState.SUCCEEDED, RunVerdict.FAIL, (finding,))
    assert found.checks == (checks[0], replace(checks[1], samples=FailedRows((), ())), checks[2])
    assert (found.counts.total, found.counts.passed, found.counts.failed, found.counts.not_evaluated) == (3, 1, 1, 1)
    assert [(s.check_id, s.check_name, s.rows) for s in await store.runs.failed_rows(TENANT, run.id)] == [
        (checks[1].id, checks[1].name, kept)
    ]
    listed = await store.runs.list(TENANT, RunFilter(), 10, None)
    assert (listed[0].checks, listed[0].drifts, listed[0].counts) == ((), (), found.counts)


async def test_runs_are_listed_newest_first_in_pages_without_gaps(store: Store) -> None:
    runs = [await queue_run(store) for _ in range(5)]
    await queue_run(store, OTHER_TENANT)
    first = await store.runs.list(TENANT, RunFilter(), 2, None)
    second = await store.runs.list(TENANT, RunFilter(), 10, RunKey(first[-1].create_time, first[-1].id))
    assert [run.id for run in [*first, *second]] == [run.id for run in reversed(runs)]


async def test_filters_are_combined_with_and(store: Store) -> None:
    other_dataset = new_id()
    failed = await queue_run(store)
    await store.queue.succeed(await claim(store), RunResult(RunVerdict.FAIL, (check_result(CheckVerdict.FAIL),)), ())
    by_api = await queue_run(store, dataset_id=other_dataset, trigger=RunTrigger.API)

    async def found(**wanted: object) -> list[str]:
        return [run.id for run in await store.runs.list(TENANT, RunFilter(**wanted), 10, None)]  # type: ignore[arg-type]

    assert await found(dataset_id=other_dataset) == [by_api.id]
    assert await found(state=RunState.SUCCEEDED) == [failed.id]
    assert await found(verdict=RunVerdict.FAIL, trigger=RunTrigger.MANUAL) == [failed.id]
    assert await found(verdict=RunVerdict.FAIL, trigger=RunTrigger.API) == []
    assert await found(from_time=by_api.create_time) == [by_api.id]
    assert await found(to_time=by_api.create_time) == [failed.id]


async def test_cancelling_a_queued_run_ends_it_at_once_and_again_changes_nothing(store: Store) -> None:
    run = await queue_run(store)
    cancelled = await store.runs.cancel(TENANT, run.id, audit())
    assert (cancelled.state, cancelled.cancel_requested, cancelled.verdict) == (RunState.CANCELLED, False, None)
    assert cancelled.end_time is not None
    assert await store.runs.cancel(TENANT, run.id, audit()) == cancelled
    assert await store.queue.claim() is None
    assert await store.runs.active_run_ids(TENANT, DATASET, 10) == []


async def test_cancelling_a_running_run_asks_its_worker_and_wins_over_a_result_that_comes_later(store: Store) -> None:
    run = await queue_run(store)
    claimed = await claim(store)
    asked = await store.runs.cancel(TENANT, run.id, audit())
    assert (asked.state, asked.cancel_requested) == (RunState.RUNNING, True)
    assert (await store.runs.cancel(TENANT, run.id, audit())).cancel_requested
    assert await store.queue.succeed(claimed, RunResult(RunVerdict.PASS, (check_result(),)), ()) is RunState.CANCELLED
    ended = await store.runs.get(TENANT, run.id, with_results=True)
    assert (ended.state, ended.checks, ended.verdict, ended.cancel_requested) == (RunState.CANCELLED, (), None, False)


async def test_a_run_that_ended_cannot_be_cancelled(store: Store) -> None:
    run = await queue_run(store)
    await store.queue.succeed(await claim(store), RunResult(RunVerdict.PASS, (check_result(),)), ())
    with pytest.raises(RunEnded):
        await store.runs.cancel(TENANT, run.id, audit())


async def test_each_change_leaves_its_audit_event_and_each_end_a_message(store: Store) -> None:
    run = await queue_run(store)
    await store.runs.cancel(TENANT, run.id, audit(action="quality.CancelRun"))
    await store.runs.cancel(TENANT, run.id, audit(action="quality.CancelRun"))
    events = await store.outbox.take(MessageKind.AUDIT, 10)
    assert [event.payload["action"] for event in events] == ["quality.TriggerDataset", "quality.CancelRun"]
    finished = await store.outbox.take(MessageKind.RUN_FINISHED, 10)
    assert [(m.tenant_id, m.payload["run_id"], m.payload["state"]) for m in finished] == [(TENANT, run.id, "CANCELLED")]
    await store.outbox.delete([message.id for message in [*events, *finished]])
    assert await store.outbox.take(MessageKind.RUN_FINISHED, 10) == []

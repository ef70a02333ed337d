"""What workers may rely on of the queue."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.common.ids import new_id
from services.quality.app.ports import LeaseStatus, MessageKind
from services.quality.domain.errors import LeaseLost
from services.quality.domain.run import RunError, RunResult, RunState, RunVerdict
from services.quality.domain.scan import HistoryQuery, Measurement
from tests.contract.quality_storage.conftest import LEASE_SECONDS, Store
from tests.contract.quality_storage.test_run_store_contract import DATASET, audit, claim, queue_run
from tests.unit.quality.fake_store import utc_now
from tests.unit.quality.fakes import OTHER_TENANT, TENANT, check_result

UNREACHABLE = RunError("WAREHOUSE_UNREACHABLE", "The warehouse could not be reached.")
PASSED = RunResult(RunVerdict.PASS, (check_result(),))


async def expired(store: Store) -> None:
    await asyncio.sleep(1.5 * LEASE_SECONDS)


async def test_a_claimed_run_is_claimed_by_nobody_else(store: Store) -> None:
    run = await queue_run(store)
    claimed = await claim(store)
    assert (claimed.id, claimed.attempt, claimed.failures, claimed.variables) == (run.id, 1, 0, {"region": "EU"})
    assert await store.queue.claim() is None
    running = await store.runs.get(TENANT, run.id, with_results=False)
    assert (running.state, running.attempts) == (RunState.RUNNING, 1)
    assert running.start_time is not None


async def test_the_oldest_run_of_a_tenant_comes_first(store: Store) -> None:
    runs = [await queue_run(store) for _ in range(3)]
    assert [(await claim(store)).id for _ in runs] == [run.id for run in runs]


async def test_tenants_take_turns_however_long_the_others_backlog(store: Store) -> None:
    backlog = [await queue_run(store) for _ in range(5)]
    await claim(store)
    late = await queue_run(store, OTHER_TENANT)
    assert (await claim(store)).id == late.id
    assert (await claim(store)).id == backlog[1].id


async def test_a_tenant_at_its_cap_waits_and_delays_nobody(store: Store) -> None:
    for _ in range(3):
        await queue_run(store, cap=2)
    first, _second = await claim(store), await claim(store)
    assert await store.queue.claim() is None
    other = await queue_run(store, OTHER_TENANT, cap=1)
    assert (await claim(store)).id == other.id
    await store.queue.succeed(first, PASSED, ())
    assert (await claim(store)).tenant_id == TENANT


async def test_a_changed_cap_holds_for_the_next_claim(store: Store) -> None:
    for _ in range(2):
        await queue_run(store, cap=1)
    await claim(store)
    assert await store.queue.claim() is None
    await store.queue.follow_cap(TENANT, 2)
    assert (await claim(store)).tenant_cap == 2


async def test_a_retried_run_waits_for_its_delay_and_says_why(store: Store) -> None:
    run = await queue_run(store)
    assert await store.queue.retry(await claim(store), UNREACHABLE, 0.3, counts=True) is RunState.QUEUED
    waiting = await store.runs.get(TENANT, run.id, with_results=False)
    assert (waiting.state, waiting.error, waiting.verdict) == (RunState.QUEUED, UNREACHABLE, None)
    assert waiting.next_attempt_time is not None
    assert await store.queue.claim() is None
    await asyncio.sleep(0.4)
    again = await claim(store)
    assert (again.id, again.attempt, again.failures) == (run.id, 2, 1)


async def test_an_attempt_that_does_not_count_uses_up_nothing(store: Store) -> None:
    await queue_run(store)
    await store.queue.retry(await claim(store), UNREACHABLE, 0, counts=False)
    again = await claim(store)
    assert (again.attempt, again.failures) == (2, 0)


async def test_success_takes_back_the_error_of_an_earlier_attempt(store: Store) -> None:
    run = await queue_run(store)
    await store.queue.retry(await claim(store), UNREACHABLE, 0, counts=True)
    await store.queue.succeed(await claim(store), PASSED, ())
    ended = await store.runs.get(TENANT, run.id, with_results=False)
    assert (ended.state, ended.error, ended.next_attempt_time) == (RunState.SUCCEEDED, None, None)


async def test_a_run_given_up_is_errored_with_its_reason_and_verdict(store: Store) -> None:
    run = await queue_run(store)
    assert await store.queue.give_up(await claim(store), UNREACHABLE) is RunState.ERRORED
    ended = await store.runs.get(TENANT, run.id, with_results=True)
    assert (ended.state, ended.verdict, ended.error, ended.checks) == (RunState.ERRORED, RunVerdict.ERROR, UNREACHABLE, ())
    assert ended.end_time is not None


async def test_a_released_run_is_claimed_again_at_once_without_an_attempt_used_up(store: Store) -> None:
    run = await queue_run(store)
    assert await store.queue.release(await claim(store)) is RunState.QUEUED
    again = await claim(store)
    assert (again.id, again.failures) == (run.id, 0)


async def test_an_acknowledged_cancel_ends_the_run_and_frees_its_place(store: Store) -> None:
    run = await queue_run(store, cap=1)
    claimed = await claim(store)
    assert await store.queue.renew(claimed) is LeaseStatus.HELD
    await store.runs.cancel(TENANT, run.id, audit())
    assert await store.queue.renew(claimed) is LeaseStatus.CANCEL_REQUESTED
    assert await store.queue.acknowledge_cancel(claimed) is RunState.CANCELLED
    await queue_run(store, cap=1)
    assert (await claim(store)).id != run.id


async def test_a_lease_that_runs_out_gives_the_run_to_another_and_fences_the_first(store: Store) -> None:
    run = await queue_run(store)
    first = await claim(store)
    assert await store.queue.expire_lease() is None
    await expired(store)
    taken = await store.queue.expire_lease()
    assert taken is not None
    assert (taken.run_id, taken.state) == (run.id, RunState.QUEUED)
    second = await claim(store)
    assert (second.id, second.failures) == (run.id, 1)
    assert await store.queue.renew(first) is LeaseStatus.LOST
    for write in (
        store.queue.succeed(first, RunResult(RunVerdict.FAIL, (check_result(),)), ()),
        store.queue.give_up(first, UNREACHABLE),
        store.queue.retry(first, UNREACHABLE, 0, counts=True),
        store.queue.release(first),
        store.queue.acknowledge_cancel(first),
    ):
        with pytest.raises(LeaseLost):
            await write
    await store.queue.succeed(second, PASSED, ())
    ended = await store.runs.get(TENANT, run.id, with_results=True)
    assert (ended.verdict, len(ended.checks)) == (RunVerdict.PASS, 1)
    assert len(await store.outbox.take(MessageKind.RUN_FINISHED, 10)) == 1


async def test_a_renewed_lease_does_not_run_out(store: Store) -> None:
    await queue_run(store)
    claimed = await claim(store)
    for _ in range(4):
        await asyncio.sleep(LEASE_SECONDS / 2)
        assert await store.queue.renew(claimed) is LeaseStatus.HELD
    assert await store.queue.expire_lease() is None


async def test_a_run_whose_workers_keep_dying_ends_errored(store: Store) -> None:
    run = await queue_run(store)
    await claim(store)
    await expired(store)
    await store.queue.expire_lease()
    await claim(store)
    await expired(store)
    taken = await store.queue.expire_lease()
    assert taken is not None
    assert taken.state is RunState.ERRORED
    ended = await store.runs.get(TENANT, run.id, with_results=False)
    assert (ended.state, ended.verdict) == (RunState.ERRORED, RunVerdict.ERROR)
    assert ended.error is not None
    assert ended.error.reason == "SCAN_WORKER_DIED"
    assert len(await store.outbox.take(MessageKind.RUN_FINISHED, 10)) == 1


async def test_a_cancelled_run_whose_worker_died_ends_cancelled(store: Store) -> None:
    run = await queue_run(store)
    await claim(store)
    await store.runs.cancel(TENANT, run.id, audit())
    await expired(store)
    taken = await store.queue.expire_lease()
    assert taken is not None
    assert taken.state is RunState.CANCELLED
    assert (await store.runs.get(TENANT, run.id, with_results=False)).error is None


async def test_the_depth_of_the_queue_is_told_by_tenant(store: Store) -> None:
    await queue_run(store)
    await queue_run(store)
    await queue_run(store, OTHER_TENANT)
    await claim(store)
    depths = {depth.tenant_id: depth for depth in await store.queue.depths()}
    assert (depths[TENANT].queued + depths[TENANT].running, depths[OTHER_TENANT].queued + depths[OTHER_TENANT].running) == (2, 1)
    assert sum(depth.running for depth in depths.values()) == 1
    assert depths[TENANT].oldest_seconds > 0


async def test_measurements_come_back_newest_first_for_their_dataset_alone(store: Store) -> None:
    await queue_run(store)
    now = utc_now()
    values = [Measurement("row_count", f"{10 + days}", now - timedelta(days=days)) for days in (14, 7, 3, 1)]
    other = Measurement("avg(x)" + "y" * 5000, "1.5", now)
    await store.queue.succeed(await claim(store), PASSED, [*values, other])
    reader = store.history.of_dataset(TENANT, DATASET)
    assert await reader.measurements(HistoryQuery("row_count", limit=2)) == [values[3], values[2]]
    assert await reader.measurements(HistoryQuery("row_count", limit=9, before=values[2].data_time)) == [values[1], values[0]]
    assert await reader.measurements(HistoryQuery(other.metric_identity)) == [other]
    assert await reader.measurements(HistoryQuery("never measured")) == []
    assert await store.history.of_dataset(TENANT, new_id()).measurements(HistoryQuery("row_count")) == []
    assert await store.history.of_dataset(OTHER_TENANT, DATASET).measurements(HistoryQuery("row_count")) == []


async def test_the_weekday_asked_for_is_that_of_the_day_that_ends_in_the_callers_own_zone(store: Store) -> None:
    await queue_run(store)
    vienna = ZoneInfo("Europe/Vienna")
    # Shortly after midnight of a Tuesday in Vienna, which is still Monday in UTC.
    tuesday = datetime(2026, 6, 2, 0, 30, tzinfo=vienna)
    values = [Measurement("row_count", str(days), tuesday - timedelta(days=days)) for days in (8, 7, 6, 1)]
    await store.queue.succeed(await claim(store), PASSED, values)
    end_of_day = datetime(2026, 6, 3, 0, 0, tzinfo=vienna) - timedelta(days=7)
    query = HistoryQuery("row_count", limit=9, before=end_of_day, at_or_before_same_weekday=True)
    found = await store.history.of_dataset(TENANT, DATASET).measurements(query)
    assert [measurement.value_json for measurement in found] == ["7"]


async def test_a_cancelled_run_leaves_no_measurements(store: Store) -> None:
    run = await queue_run(store)
    claimed = await claim(store)
    await store.runs.cancel(TENANT, run.id, audit())
    await store.queue.succeed(claimed, PASSED, [Measurement("row_count", "1", utc_now())])
    assert await store.history.of_dataset(TENANT, DATASET).measurements(HistoryQuery("row_count")) == []


async def test_old_ended_runs_are_forgotten_and_running_ones_are_not(store: Store) -> None:
    ended = await queue_run(store)
    await store.queue.succeed(await claim(store), PASSED, ())
    waiting = await queue_run(store)
    tomorrow = utc_now() + timedelta(days=1)
    assert await store.queue.prune(tomorrow, tomorrow, 100) == 1
    assert [run for run in (ended.id, waiting.id) if run in await store.runs.active_run_ids(TENANT, DATASET, 10)] == [waiting.id]

"""Backfills: bounded, cancellable, with progress, and safe when their worker dies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import grpc

from chalkandduster.drift.v1 import backfill_pb2, baseline_pb2, profile_pb2
from chalkandduster.registry.v1 import connection_pb2
from tests.integration.drift.backfills import ended, started
from tests.integration.drift.harness import Drift
from tests.integration.drift.tables import DAILY, orders

NO_HISTORY = "partition: {column: created_at}\nbackfill: 0\n"


async def profiled_days(drift: Drift, dataset: str) -> list[datetime]:
    answer = await drift.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=dataset, page_size=1000))
    return [profile.partition_time.ToDatetime(UTC) for profile in answer.profiles]


async def test_history_before_the_first_evaluation_is_profiled_and_learned(drift: Drift) -> None:
    await orders(drift)
    dataset = drift.dataset("orders", NO_HISTORY)
    await drift.service().evaluate(dataset)
    await started(drift, dataset)
    backfill = await ended(drift, dataset)
    assert (backfill.partitions_total, backfill.partitions_done, backfill.error_message) == (9, 9, "")
    assert backfill.from_time.ToDatetime(UTC) == datetime(2026, 3, 2, tzinfo=UTC)
    assert backfill.to_time.ToDatetime(UTC) == datetime(2026, 3, 11, tzinfo=UTC)
    assert len(await profiled_days(drift, dataset)) == 10
    baseline = await drift.user().call("GetBaseline", baseline_pb2.GetBaselineRequest(dataset_id=dataset))
    assert (baseline_pb2.Baseline.Origin.Name(baseline.origin), len(baseline.profile_ids)) == ("BACKFILL", 10)
    await drift.sql("DELETE FROM shop.orders WHERE created_at >= '2026-03-11' AND id % 40 > 0")
    assert [finding.change for finding in (await drift.service().evaluate(dataset)).findings] == ["volume_drop"]


async def test_backfill_is_bounded(drift: Drift) -> None:
    await orders(drift, days=30, rows=5)
    dataset = drift.dataset("orders", NO_HISTORY)
    await started(drift, dataset, max_partitions=7)
    assert (await ended(drift, dataset)).partitions_total == 7
    days = await profiled_days(drift, dataset)
    assert (len(days), days[0], days[-1]) == (7, datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC))


async def test_days_before_the_first_row_are_no_history(drift: Drift) -> None:
    await orders(drift, days=5)
    dataset = drift.dataset("orders", NO_HISTORY)
    await started(drift, dataset, max_partitions=100)
    assert (await ended(drift, dataset)).partitions_total == 4


async def test_past_is_learned_with_what_was_decided_about_it(drift: Drift) -> None:
    await orders(drift)
    await drift.sql("UPDATE shop.orders SET email = NULL WHERE created_at >= '2026-03-11'")
    dataset = drift.dataset("orders", DAILY)
    await drift.service().evaluate(dataset)
    await drift.user("editor").call("AcceptBaseline", baseline_pb2.AcceptBaselineRequest(dataset_id=dataset))
    await started(drift, dataset)
    assert backfill_pb2.Backfill.State.Name((await ended(drift, dataset)).state) == "SUCCEEDED"
    await drift.sql("INSERT INTO shop.orders SELECT g, 1, 'AT', NULL, '2026-03-12 10:00' FROM generate_series(1, 100) g")
    drift.clock[0] += timedelta(days=1)
    assert list((await drift.service().evaluate(dataset)).findings) == []


async def test_one_backfill_at_a_time_and_a_queued_one_is_cancelled_at_once(drift: Drift) -> None:
    await orders(drift)
    dataset = drift.dataset("orders", NO_HISTORY)
    await drift.sql(
        f"INSERT INTO drift.backfills (id, tenant_id, dataset_id, state, source, max_partitions, requested_by, lease_token, "
        f"lease_expires_at) VALUES (gen_random_uuid(), '{drift.tenant}', '{dataset}', 'RUNNING', 'PARTITION_COLUMN', 5, '', "
        f"gen_random_uuid(), now() + interval '1 hour')"
    )
    error = await drift.user("editor").refused("StartBackfill", backfill_pb2.StartBackfillRequest(dataset_id=dataset))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "BACKFILL_RUNNING")
    asked = await drift.user("editor").call("CancelBackfill", backfill_pb2.CancelBackfillRequest(dataset_id=dataset))
    assert (asked.cancel_requested, backfill_pb2.Backfill.State.Name(asked.state)) == (True, "RUNNING")
    # The worker that held it is gone; the next one finds that nobody wants it any more.
    await drift.sql("UPDATE drift.backfills SET lease_expires_at = now() - interval '1 second'")
    assert backfill_pb2.Backfill.State.Name((await ended(drift, dataset)).state) == "CANCELLED"
    error = await drift.user("editor").refused("CancelBackfill", backfill_pb2.CancelBackfillRequest(dataset_id=dataset))
    assert error.reason == "BACKFILL_ENDED"


async def test_running_backfill_stops_its_statement_when_cancelled(drift: Drift) -> None:
    await orders(drift)
    await drift.sql(
        "CREATE FUNCTION shop.slow(x text) RETURNS text STABLE LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.05); RETURN x; END'",
        "CREATE VIEW shop.slow_orders AS SELECT id, shop.slow(email) AS email, created_at FROM shop.orders",
    )
    dataset = drift.dataset("slow_orders", NO_HISTORY)
    await started(drift, dataset)
    await drift.until_active(1)
    await drift.user("editor").call("CancelBackfill", backfill_pb2.CancelBackfillRequest(dataset_id=dataset))
    assert backfill_pb2.Backfill.State.Name((await ended(drift, dataset)).state) == "CANCELLED"
    await drift.until_active(0)


async def test_backfill_of_a_dead_worker_is_taken_over_and_given_up_in_the_end(drift: Drift) -> None:
    await orders(drift)
    dataset, hopeless = drift.dataset("orders", NO_HISTORY), drift.dataset("orders", NO_HISTORY)
    for which, attempts in ((dataset, 1), (hopeless, 3)):
        await drift.sql(
            f"INSERT INTO drift.backfills (id, tenant_id, dataset_id, state, source, max_partitions, requested_by, lease_token, "
            f"lease_expires_at, attempts) VALUES (gen_random_uuid(), '{drift.tenant}', '{which}', 'RUNNING', 'PARTITION_COLUMN', 5, '', "
            f"gen_random_uuid(), now() - interval '1 second', {attempts})"
        )
    assert backfill_pb2.Backfill.State.Name((await ended(drift, dataset)).state) == "SUCCEEDED"
    assert (await ended(drift, hopeless)).error_reason == "SCAN_WORKER_DIED"


async def test_what_fails_says_why(drift: Drift) -> None:
    dropped = drift.dataset("nothing_here", NO_HISTORY)
    await started(drift, dropped)
    assert (await ended(drift, dropped)).error_reason == "TABLE_NOT_FOUND"
    await orders(drift)
    settings = connection_pb2.PostgresSettings()
    settings.CopyFrom(drift.warehouse.postgres)
    settings.password = "wrong"
    locked = drift.dataset("orders", NO_HISTORY, connection=connection_pb2.Connection(id=drift.warehouse.id, postgres=settings))
    await started(drift, locked)
    failed = await ended(drift, locked)
    assert failed.error_reason == "WAREHOUSE_REFUSED_LOGIN"
    assert "wrong" not in failed.error_message
    whole = drift.dataset("orders")
    error = await drift.user("editor").refused("StartBackfill", backfill_pb2.StartBackfillRequest(dataset_id=whole))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "BACKFILL_IMPOSSIBLE")


async def test_failed_backfill_is_not_tried_again_by_every_run(drift: Drift) -> None:
    await orders(drift)
    dataset = drift.dataset("orders", DAILY)
    await drift.sql(
        f"INSERT INTO drift.backfills (id, tenant_id, dataset_id, state, source, max_partitions, requested_by, error_reason, end_time) "
        f"VALUES (gen_random_uuid(), '{drift.tenant}', '{dataset}', 'ERRORED', 'PARTITION_COLUMN', 5, '', 'INTERNAL', now())"
    )
    assert (await drift.service().evaluate(dataset)).partitions_judged == 1
    assert len(await drift.rows("SELECT 1 FROM drift.backfills")) == 1

"""From a table to findings: what a run is told, and what is kept."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import grpc

from chalkandduster.drift.v1 import backfill_pb2, evaluation_pb2, finding_pb2, profile_pb2
from tests.integration.drift.backfills import ended, started
from tests.integration.drift.harness import NOON, Drift
from tests.integration.drift.tables import DAILY, another_day, orders


async def test_first_evaluation_takes_its_history_from_the_table_and_judges_the_newest_day(drift: Drift) -> None:
    await orders(drift)
    dataset = drift.dataset("orders", DAILY)
    answer = await drift.service().evaluate(dataset)
    assert (answer.partitions_judged, answer.complete, list(answer.findings)) == (1, True, [])
    profiles = (await drift.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=dataset))).profiles
    assert [profile.row_count for profile in profiles] == [100] * 10
    assert [profile.backfilled for profile in profiles] == [False] + [True] * 9
    backfill = await drift.user().call("GetBackfill", backfill_pb2.GetBackfillRequest(dataset_id=dataset))
    assert backfill_pb2.Backfill.State.Name(backfill.state) == "SUCCEEDED"
    assert (backfill.partitions_total, backfill.partitions_done) == (9, 9)


async def test_day_one_drift_is_found_against_the_tables_own_past(drift: Drift) -> None:
    await orders(drift)
    await drift.sql("UPDATE shop.orders SET email = NULL WHERE created_at >= '2026-03-11' AND id % 20 = 0")
    dataset = drift.dataset("orders", DAILY)
    (finding,) = (await drift.service().evaluate(dataset)).findings
    assert (finding.change, list(finding.columns)) == ("null_rate", ["email"])
    kept = await drift.user().call("GetDrift", finding_pb2.GetDriftRequest(id=finding.id))
    assert kept.plots[0].histogram.current_shares == [0.5, 0.5]
    assert (kept.profile_id, kept.partition_time.ToDatetime(UTC)) != ("", None)
    assert kept.partition_time.ToDatetime(UTC) == datetime(2026, 3, 11, tzinfo=UTC)


async def test_same_run_is_evaluated_once(drift: Drift) -> None:
    await orders(drift)
    await drift.sql("DELETE FROM shop.orders WHERE created_at >= '2026-03-11' AND id % 40 > 0")
    dataset, run = drift.dataset("orders", DAILY), str(uuid.uuid4())
    first = await drift.service().evaluate(dataset, run)
    await drift.sql("DROP TABLE shop.orders")
    again = await drift.service().evaluate(dataset, run)
    assert first == again
    assert [finding.change for finding in first.findings] == ["volume_drop"]


async def test_next_day_judges_the_next_partition_and_what_was_missed_in_between(drift: Drift) -> None:
    await orders(drift)
    dataset = drift.dataset("orders", DAILY)
    await drift.service().evaluate(dataset)
    await another_day(drift, "2026-03-12")
    drift.clock[0] = NOON + timedelta(days=3)
    answer = await drift.service().evaluate(dataset)
    assert answer.partitions_judged == 3
    assert [finding.partition_time.ToDatetime(UTC).day for finding in answer.findings] == [13, 14]
    assert {finding.change for finding in answer.findings} == {"volume_drop"}


async def test_run_on_the_same_day_judges_the_same_partition_anew(drift: Drift) -> None:
    await orders(drift)
    dataset = drift.dataset("orders", DAILY)
    await drift.sql("UPDATE shop.orders SET email = NULL WHERE created_at >= '2026-03-11'")
    first = await drift.service().evaluate(dataset)
    second = await drift.service().evaluate(dataset)
    assert [finding.id for finding in first.findings] == [finding.id for finding in second.findings]
    await drift.sql("UPDATE shop.orders SET email = 'mended' WHERE email IS NULL")
    mended = await drift.service().evaluate(dataset)
    assert (list(mended.findings), mended.partitions_judged) == ([], 1)
    profiles = (await drift.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=dataset))).profiles
    assert len(profiles) == 10


async def test_table_without_partitions_has_one_profile_a_day(drift: Drift) -> None:
    await orders(drift)
    dataset = drift.dataset("orders")
    for hours in (0, 2, 24, 26):
        drift.clock[0] = NOON + timedelta(hours=hours)
        assert (await drift.service().evaluate(dataset)).partitions_judged == 1
    profiles = (await drift.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=dataset))).profiles
    assert [profile.partition_time.ToDatetime(UTC) for profile in profiles] == [NOON + timedelta(hours=26), NOON + timedelta(hours=2)]


async def test_clock_that_is_behind_never_goes_back(drift: Drift) -> None:
    await orders(drift)
    for settings in ("", DAILY):
        dataset = drift.dataset("orders", settings)
        drift.clock[0] = NOON
        await drift.service().evaluate(dataset)
        drift.clock[0] = NOON - timedelta(days=5)
        assert (await drift.service().evaluate(dataset)).partitions_judged == 1
        (newest, *_) = (await drift.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=dataset))).profiles
        kept = await drift.rows("SELECT period FROM drift.watches WHERE dataset_id = $1", dataset)
        assert kept[0]["period"] >= NOON - timedelta(days=2)
        assert newest.row_count > 0


async def test_rows_with_times_in_the_future_are_not_judged(drift: Drift) -> None:
    await orders(drift)
    await drift.sql("INSERT INTO shop.orders SELECT g, 1, 'AT', 'x', '2031-01-01' FROM generate_series(1, 50) g")
    dataset = drift.dataset("orders", DAILY)
    await drift.service().evaluate(dataset)
    (newest, *_) = (await drift.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=dataset))).profiles
    assert newest.partition_time.ToDatetime(UTC) == datetime(2026, 3, 11, tzinfo=UTC)


async def test_table_of_long_ago_is_judged_by_its_own_end_and_then_by_the_clock(drift: Drift) -> None:
    await orders(drift, until=datetime(2013, 6, 1, tzinfo=UTC))
    dataset = drift.dataset("orders", DAILY)
    assert list((await drift.service().evaluate(dataset)).findings) == []
    (newest, *_) = (await drift.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=dataset))).profiles
    assert newest.partition_time.ToDatetime(UTC) == datetime(2013, 5, 31, tzinfo=UTC)
    drift.clock[0] = NOON + timedelta(days=1)
    (finding,) = (await drift.service().evaluate(dataset)).findings
    assert (finding.change, finding.current_value) == ("volume_drop", 0)


async def test_gap_of_forty_days_is_forty_partitions_without_rows(drift: Drift) -> None:
    await orders(drift)
    dataset = drift.dataset("orders", DAILY)
    await drift.service().evaluate(dataset)
    drift.clock[0] = NOON + timedelta(days=40)
    answer = await drift.service().evaluate(dataset)
    assert answer.partitions_judged == 40


async def test_two_evaluations_at_once_lose_nothing(drift: Drift) -> None:
    await orders(drift)
    dataset = drift.dataset("orders", "grain: hour\n")
    answers = await asyncio.gather(*(drift.service().evaluate(dataset) for _ in range(6)))
    assert [answer.partitions_judged for answer in answers] == [1] * 6
    (watch,) = await drift.rows("SELECT revision, state FROM drift.watches WHERE dataset_id = $1", dataset)
    assert (watch["revision"], watch["state"].count("1000")) == (6, 1)
    assert len(await drift.rows("SELECT 1 FROM drift.evaluations WHERE dataset_id = $1", dataset)) == 6
    assert len(await drift.rows("SELECT 1 FROM drift.profiles WHERE dataset_id = $1", dataset)) == 1


async def test_same_run_twice_at_once_is_kept_once(drift: Drift) -> None:
    await orders(drift)
    dataset, run = drift.dataset("orders"), str(uuid.uuid4())
    answers = await asyncio.gather(*(drift.service().evaluate(dataset, run) for _ in range(4)))
    assert all(answer == answers[0] for answer in answers)
    (watch,) = await drift.rows("SELECT revision FROM drift.watches WHERE dataset_id = $1", dataset)
    assert watch["revision"] == 1


async def test_table_that_was_dropped_is_a_finding_and_one_that_never_was_is_an_error(drift: Drift) -> None:
    await orders(drift)
    dataset = drift.dataset("orders")
    await drift.service().evaluate(dataset)
    await drift.sql("DROP TABLE shop.orders")
    answer = await drift.service().evaluate(dataset)
    (finding,) = answer.findings
    assert (finding.change, finding.severity, answer.complete) == ("table_missing", finding_pb2.DriftFinding.CRITICAL, False)
    never = drift.dataset("nothing_here")
    run = str(uuid.uuid4())
    error = await drift.service().refused("EvaluateDataset", _evaluate(never, run))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "TABLE_NOT_FOUND")


async def test_new_layout_starts_a_history_of_its_own(drift: Drift) -> None:
    await orders(drift)
    dataset = drift.dataset("orders")
    await drift.service().evaluate(dataset)
    drift.set_yaml(dataset, DAILY)
    answer = await drift.service().evaluate(dataset)
    assert answer.partitions_judged == 1
    (watch,) = await drift.rows("SELECT layout, baseline_version FROM drift.watches WHERE dataset_id = $1", dataset)
    assert watch["layout"] == "created_at/day/UTC"
    assert watch["baseline_version"] == 2


async def test_what_cannot_be_evaluated_says_why(drift: Drift) -> None:
    await orders(drift)
    cases = {
        "INVALID_DRIFT_SETTINGS": drift.dataset("orders", "volum: {}\n"),
        "TENANT_SUSPENDED": drift.dataset("orders", active=False),
        "DATASET_NOT_FOUND": str(uuid.uuid4()),
    }
    for reason, dataset in cases.items():
        error = await drift.service().refused("EvaluateDataset", _evaluate(dataset))
        assert error.reason == reason
    wrong = drift.dataset("orders", "partition: {column: amount}\nbackfill: 0\n")
    error = await drift.service().refused("EvaluateDataset", _evaluate(wrong))
    assert error.reason == "INVALID_DRIFT_SETTINGS"
    assert "amount" in error.message
    assert "numeric" in error.message


async def test_only_services_may_ask_for_an_evaluation(drift: Drift) -> None:
    error = await drift.user("platform_admin").refused("EvaluateDataset", _evaluate(str(uuid.uuid4())))
    assert error.code in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT)
    error = await drift.user("tenant_admin").refused("EvaluateDataset", _evaluate(str(uuid.uuid4())))
    assert error.code is grpc.StatusCode.PERMISSION_DENIED


async def test_state_of_another_version_is_learned_anew_from_the_profiles(drift: Drift) -> None:
    await orders(drift)
    dataset = drift.dataset("orders", DAILY)
    await drift.service().evaluate(dataset)
    await drift.sql("UPDATE drift.watches SET state = 'of another version', before = 'of another version'")
    await another_day(drift, "2026-03-12", rows=10)
    drift.clock[0] = NOON + timedelta(days=1)
    assert [finding.change for finding in (await drift.service().evaluate(dataset)).findings] == ["volume_drop"]


async def test_columns_are_remembered_over_a_backfill(drift: Drift) -> None:
    await orders(drift)
    dataset = drift.dataset("orders", "partition: {column: created_at}\nbackfill: 0\n")
    await drift.service().evaluate(dataset)
    await started(drift, dataset)
    await ended(drift, dataset)
    await drift.sql("ALTER TABLE shop.orders DROP COLUMN email")
    assert [finding.change for finding in (await drift.service().evaluate(dataset)).findings] == ["column_removed"]


def _evaluate(dataset: str, run: str = "") -> object:
    return evaluation_pb2.EvaluateDatasetRequest(dataset_id=dataset, run_id=run or str(uuid.uuid4()))

"""Baselines as reviewed versions, and feedback that is heard."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc

from chalkandduster.drift.v1 import baseline_pb2, finding_pb2
from tests.integration.drift.harness import NOON, Drift, eventually
from tests.integration.drift.tables import DAILY, another_day, orders


async def drifted(drift: Drift) -> str:
    """A dataset whose newest day has no e-mail addresses."""
    await orders(drift)
    await drift.sql("UPDATE shop.orders SET email = NULL WHERE created_at >= '2026-03-11'")
    dataset = drift.dataset("orders", DAILY)
    (finding,) = (await drift.service().evaluate(dataset)).findings
    assert finding.change == "null_rate"
    return dataset


async def accept(drift: Drift, dataset: str, **fields: Any) -> Any:
    request = baseline_pb2.AcceptBaselineRequest(dataset_id=dataset, **fields)
    return await drift.user("editor").call("AcceptBaseline", request)


async def changes_of_day(drift: Drift, dataset: str, day: int, **columns: Any) -> list[str]:
    """What the run of the day after `day` finds."""
    await another_day(drift, f"2026-03-{day}", **columns)
    drift.clock[0] = datetime(2026, 3, day + 1, 12, tzinfo=UTC)
    return [finding.change for finding in (await drift.service().evaluate(dataset)).findings]


async def baseline(drift: Drift, dataset: str, version: int = 0) -> Any:
    return await drift.user("viewer").call("GetBaseline", baseline_pb2.GetBaselineRequest(dataset_id=dataset, version=version))


async def test_first_version_comes_with_the_history_and_names_its_sources(drift: Drift) -> None:
    dataset = await drifted(drift)
    found = await baseline(drift, dataset)
    assert (found.version, found.active, baseline_pb2.Baseline.Origin.Name(found.origin)) == (1, True, "BACKFILL")
    assert len(found.profile_ids) == 9
    assert found.window_end_time.ToDatetime(UTC) == datetime(2026, 3, 10, tzinfo=UTC)
    (email,) = [column for column in found.figures.columns if column.name == "email"]
    assert (found.figures.row_count, email.null_rate, email.declared_type) == (100, 0, "text")


async def test_unaccepted_drift_stays_drift(drift: Drift) -> None:
    dataset = await drifted(drift)
    for day in (12, 13, 14, 15):
        assert await changes_of_day(drift, dataset, day, email="NULL") == ["null_rate"]


async def test_accepted_drift_is_the_new_normal(drift: Drift) -> None:
    dataset = await drifted(drift)
    version = await accept(drift, dataset, reason="addresses moved to another table")
    assert (version.version, version.parent_version, version.reason) == (2, 1, "addresses moved to another table")
    assert version.author
    assert await changes_of_day(drift, dataset, 12, email="NULL") == []


async def test_acceptance_holds_for_a_second_run_in_the_same_period(drift: Drift) -> None:
    dataset = await drifted(drift)
    await accept(drift, dataset, columns=["EMAIL"])
    assert list((await drift.service().evaluate(dataset)).findings) == []
    assert await changes_of_day(drift, dataset, 12, email="NULL") == []


async def test_accepting_once_leaves_the_old_normal(drift: Drift) -> None:
    dataset = await drifted(drift)
    await accept(drift, dataset, mode=baseline_pb2.Baseline.ONCE)
    assert list((await drift.service().evaluate(dataset)).findings) == []
    assert await changes_of_day(drift, dataset, 12, email="NULL") == ["null_rate"]


async def test_rolling_back_an_acceptance_alarms_again(drift: Drift) -> None:
    dataset = await drifted(drift)
    await accept(drift, dataset)
    request = baseline_pb2.RollbackBaselineRequest(dataset_id=dataset, reason="a mistake")
    version = await drift.user("editor").call("RollbackBaseline", request)
    assert (version.version, baseline_pb2.Baseline.Origin.Name(version.origin)) == (3, "ROLLBACK")
    assert [finding.change for finding in (await drift.service().evaluate(dataset)).findings] == ["null_rate"]
    assert await changes_of_day(drift, dataset, 12, email="NULL") == ["null_rate"]
    listed = await drift.user().call("ListBaselines", baseline_pb2.ListBaselinesRequest(dataset_id=dataset, page_size=2))
    assert [found.version for found in listed.baselines] == [3, 2]
    following = baseline_pb2.ListBaselinesRequest(dataset_id=dataset, page_size=2, page_token=listed.next_page_token)
    rest = await drift.user().call("ListBaselines", following)
    assert ([found.version for found in rest.baselines], rest.next_page_token) == ([1], "")


async def test_rolling_back_a_day_later_alarms_again(drift: Drift) -> None:
    dataset = await drifted(drift)
    await accept(drift, dataset)
    assert await changes_of_day(drift, dataset, 12, email="NULL") == []
    await drift.user("editor").call("RollbackBaseline", baseline_pb2.RollbackBaselineRequest(dataset_id=dataset, version=1))
    assert await changes_of_day(drift, dataset, 13, email="NULL") == ["null_rate"]


async def test_acceptance_for_a_time_runs_out_by_itself(drift: Drift) -> None:
    dataset = await drifted(drift)
    request = baseline_pb2.AcceptBaselineRequest(dataset_id=dataset, reason="spring sale")
    request.expire_time.FromDatetime(NOON + timedelta(days=2))
    await drift.user("editor").call("AcceptBaseline", request)
    assert await changes_of_day(drift, dataset, 12, email="NULL") == []
    assert await changes_of_day(drift, dataset, 13, email="NULL") == ["null_rate"]
    found = await baseline(drift, dataset)
    assert baseline_pb2.Baseline.Origin.Name(found.origin) == "EXPIRY"


async def test_diff_says_what_an_acceptance_changed(drift: Drift) -> None:
    dataset = await drifted(drift)
    await accept(drift, dataset)
    for day in (12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22):
        assert await changes_of_day(drift, dataset, day, email="NULL") == []
    diff = await drift.user().call("DiffBaselines", baseline_pb2.DiffBaselinesRequest(dataset_id=dataset))
    assert (diff.from_version, diff.to_version) == (1, 2)
    assert "email: null rate 0 % → 100 %" in [change.message for change in diff.changes]


async def test_changes_of_baselines_are_audited(drift: Drift) -> None:
    dataset = await drifted(drift)
    await accept(drift, dataset, columns=["email"], reason="why not")
    await eventually(lambda: bool(drift.registry.events))
    (event,) = [sent.event for sent in drift.registry.events if sent.event.action == "drift.AcceptBaseline"]
    assert event.resource_id == dataset
    assert dict(event.after)["reason"] == "why not"


async def test_what_cannot_be_accepted_says_why(drift: Drift) -> None:
    fresh = drift.dataset("orders")
    error = await drift.user("editor").refused("AcceptBaseline", baseline_pb2.AcceptBaselineRequest(dataset_id=fresh))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOTHING_TO_ACCEPT")
    dataset = await drifted(drift)
    past = baseline_pb2.AcceptBaselineRequest(dataset_id=dataset)
    past.expire_time.FromDatetime(NOON - timedelta(days=1))
    wrong = {
        "columns[1]": baseline_pb2.AcceptBaselineRequest(dataset_id=dataset, columns=["email", "e-mail"]),
        "expire_time": past,
    }
    for field, request in wrong.items():
        error = await drift.user("editor").refused("AcceptBaseline", request)
        assert (error.code, error.violations[0].field) == (grpc.StatusCode.INVALID_ARGUMENT, field)
    error = await drift.user("viewer").refused("AcceptBaseline", baseline_pb2.AcceptBaselineRequest(dataset_id=dataset))
    assert error.code is grpc.StatusCode.PERMISSION_DENIED
    error = await drift.user("editor").refused("RollbackBaseline", baseline_pb2.RollbackBaselineRequest(dataset_id=dataset))
    assert error.reason == "BASELINE_NOT_FOUND"


async def test_feedback_changes_the_next_judgement_and_is_kept(drift: Drift) -> None:
    dataset = await drifted(drift)
    listed = await drift.user("viewer").call("ListDrifts", finding_pb2.ListDriftsRequest(dataset_id=dataset))
    request = finding_pb2.JudgeDriftRequest(id=listed.drifts[0].id, verdict=finding_pb2.DriftFeedback.FALSE, comment="always so")
    judged = await drift.user("editor").call("JudgeDrift", request)
    assert (judged.feedback.verdict, judged.feedback.comment) == (finding_pb2.DriftFeedback.FALSE, "always so")
    assert list((await drift.service().evaluate(dataset)).findings) == []
    assert await changes_of_day(drift, dataset, 12, email="NULL") == []
    request.verdict = finding_pb2.DriftFeedback.REAL
    await drift.user("editor").call("JudgeDrift", request)
    kept = await drift.rows("SELECT verdict FROM drift.feedback ORDER BY create_time")
    assert [row["verdict"] for row in kept] == ["FALSE", "REAL"]


async def test_findings_are_listed_by_what_they_are(drift: Drift) -> None:
    dataset = await drifted(drift)
    await changes_of_day(drift, dataset, 12, rows=10)
    lists: dict[int, finding_pb2.ListDriftsRequest] = {
        2: finding_pb2.ListDriftsRequest(dataset_id=dataset),
        1: finding_pb2.ListDriftsRequest(kind=finding_pb2.DriftFinding.VOLUME, severity=finding_pb2.DriftFinding.CRITICAL),
        0: finding_pb2.ListDriftsRequest(kind=finding_pb2.DriftFinding.SCHEMA),
    }
    for count, request in lists.items():
        answer = await drift.user("viewer").call("ListDrifts", request)
        assert len(answer.drifts) == count
    first = await drift.user().call("ListDrifts", finding_pb2.ListDriftsRequest(page_size=1))
    rest = await drift.user().call("ListDrifts", finding_pb2.ListDriftsRequest(page_size=1, page_token=first.next_page_token))
    assert [first.drifts[0].change, rest.drifts[0].change] == ["volume_drop", "null_rate"]
    assert rest.next_page_token == ""

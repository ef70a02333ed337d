"""What callers of quality meet: triggers, watches, schedules, usage, and errors that name what was wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from chalkandduster.quality.v1 import check_pb2, run_pb2, schedule_pb2
from services.common.client import remote_error
from services.quality.domain.scan import CheckProblem, CheckVerdict, ScanFailed, ScanFailure, ValidatedChecks
from tests.integration.quality.inprocess import Quality, running_quality
from tests.integration.quality.platform import Caller, Platform
from tests.unit.quality.fakes import check_result, outcome

Run = run_pb2.Run


@pytest.fixture
async def quality(platform: Platform) -> AsyncIterator[Quality]:
    async with running_quality(platform) as running:
        yield running


async def refusal(caller: Caller, method: str, request: Any) -> tuple[grpc.StatusCode, str, str]:
    """Code, reason and message of a call that is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await caller.call(method, request)
    error = remote_error(refused.value)
    return error.code, error.reason, error.message


async def test_the_same_request_id_answers_the_same_run_even_when_the_dataset_is_gone(quality: Quality, tenant: str, dataset: str) -> None:
    quality.platform.registry.put(tenant, dataset)
    caller = quality.user(tenant)
    first = await caller.trigger(dataset, request_id="deploy-42")
    quality.platform.registry.datasets.clear()
    second = await caller.trigger(dataset, request_id="deploy-42")
    assert second.id == first.id


async def test_a_suspended_tenant_runs_nothing(quality: Quality, tenant: str, dataset: str) -> None:
    quality.platform.registry.put(tenant, dataset, active=False)
    code, reason, _ = await refusal(quality.user(tenant), "TriggerDataset", run_pb2.TriggerDatasetRequest(dataset_id=dataset))
    assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "TENANT_SUSPENDED")


async def test_drift_is_refused_in_words_while_there_is_no_drift_service(quality: Quality, tenant: str, dataset: str) -> None:
    quality.platform.registry.put(tenant, dataset)
    request = run_pb2.TriggerDatasetRequest(dataset_id=dataset, kinds=[Run.DRIFT])
    code, reason, message = await refusal(quality.user(tenant), "TriggerDataset", request)
    assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOTHING_TO_RUN")
    assert "not set up" in message


async def test_a_run_gets_the_variables_of_the_dataset_and_over_them_those_of_the_trigger(
    quality: Quality, tenant: str, dataset: str
) -> None:
    quality.platform.registry.put(tenant, dataset, variables={"region": "EU", "limit": "5"})
    caller = quality.user(tenant)
    await caller.ended((await caller.trigger(dataset, variables={"limit": "9"})).id)
    assert quality.engine.requests[0].variables == {"region": "EU", "limit": "9"}


async def test_a_watch_tells_each_change_and_ends_with_the_results(quality: Quality, tenant: str, dataset: str) -> None:
    quality.platform.registry.put(tenant, dataset)
    quality.engine.gate = asyncio.Event()
    quality.engine.result = outcome(check_result(CheckVerdict.FAIL))
    caller = quality.user(tenant)
    run = await caller.trigger(dataset)
    await quality.engine.started.wait()
    stream = aiter(caller.stub.WatchRun(run_pb2.WatchRunRequest(id=run.id), metadata=caller.metadata, timeout=20))
    seen = [await anext(stream)]
    quality.engine.gate.set()
    seen += [item async for item in stream]
    assert [item.run.state for item in seen] == [Run.RUNNING, Run.SUCCEEDED]
    assert [item.done for item in seen] == [False, True]
    assert (list(seen[0].run.checks), [check.verdict for check in seen[1].run.checks]) == ([], [check_pb2.CheckResult.FAIL])
    again = [item async for item in caller.stub.WatchRun(run_pb2.WatchRunRequest(id=run.id), metadata=caller.metadata, timeout=20)]
    assert again == seen[1:]


async def test_a_watch_that_is_cut_off_says_so_in_its_last_message(quality: Quality, tenant: str, dataset: str) -> None:
    quality.platform.registry.put(tenant, dataset)
    quality.engine.gate = asyncio.Event()
    caller = quality.user(tenant)
    run = await caller.trigger(dataset)
    stream = aiter(caller.stub.WatchRun(run_pb2.WatchRunRequest(id=run.id), metadata=caller.metadata, timeout=20))
    await anext(stream)
    quality.parts.draining.set()
    last = [item async for item in stream][-1]
    info = error_details_pb2.ErrorInfo()
    last.error.details[0].Unpack(info)
    assert (info.reason, last.done) == ("DEPENDENCY_UNAVAILABLE", False)


async def test_a_schedule_is_set_read_replaced_and_removed(quality: Quality, tenant: str, dataset: str) -> None:
    quality.platform.registry.put(tenant, dataset)
    caller = quality.user(tenant)

    async def put(**fields: Any) -> schedule_pb2.Schedule:
        request = schedule_pb2.SetScheduleRequest(dataset_id=dataset, schedule=schedule_pb2.Schedule(**fields))
        found: schedule_pb2.Schedule = await caller.call("SetSchedule", request)
        return found

    first = await put(cron="30 2 * * *", timezone="Europe/Vienna")
    assert (first.dataset_id, first.cron, first.timezone, first.paused) == (dataset, "30 2 * * *", "Europe/Vienna", False)
    assert first.HasField("next_run_time")
    assert await caller.call("GetSchedule", schedule_pb2.GetScheduleRequest(dataset_id=dataset)) == first
    paused = await put(cron="0 4 * * 1", paused=True, etag=first.etag)
    assert (paused.timezone, paused.HasField("next_run_time")) == ("UTC", False)
    assert paused.etag != first.etag
    stale = schedule_pb2.SetScheduleRequest(dataset_id=dataset, schedule=schedule_pb2.Schedule(cron="0 5 * * *", etag=first.etag))
    assert (await refusal(caller, "SetSchedule", stale))[:2] == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    stale_delete = schedule_pb2.DeleteScheduleRequest(dataset_id=dataset, etag=first.etag)
    assert (await refusal(caller, "DeleteSchedule", stale_delete))[1] == "ETAG_MISMATCH"
    usage = await quality.service(tenant).call("GetDatasetUsage", run_pb2.GetDatasetUsageRequest(dataset_id=dataset))
    assert usage.has_schedule
    await caller.call("DeleteSchedule", schedule_pb2.DeleteScheduleRequest(dataset_id=dataset, etag=paused.etag))
    gone = await refusal(caller, "GetSchedule", schedule_pb2.GetScheduleRequest(dataset_id=dataset))
    assert gone[:2] == (grpc.StatusCode.NOT_FOUND, "SCHEDULE_NOT_FOUND")


@pytest.mark.parametrize(
    ("cron", "timezone", "field"),
    [
        ("0 0 31 2 *", "UTC", "schedule.cron"),
        ("61 * * * *", "UTC", "schedule.cron"),
        ("* * * *", "UTC", "schedule.cron"),
        ("0 * * * * *", "UTC", "schedule.cron"),
        ("1L/2 * * * 1L/2", "UTC", "schedule.cron"),
        ("😀", "UTC", "schedule.cron"),
        ("0 0 * * *", "Europe/Atlantis", "schedule.timezone"),
        ("0 0 * * *", "../../etc/passwd", "schedule.timezone"),
    ],
)
async def test_a_schedule_that_cannot_fire_is_refused_with_the_field(
    quality: Quality, tenant: str, dataset: str, cron: str, timezone: str, field: str
) -> None:
    quality.platform.registry.put(tenant, dataset)
    request = schedule_pb2.SetScheduleRequest(dataset_id=dataset, schedule=schedule_pb2.Schedule(cron=cron, timezone=timezone))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await quality.user(tenant).call("SetSchedule", request)
    error = remote_error(refused.value)
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_SCHEDULE")
    assert [violation.field for violation in error.violations] == [field]


async def test_the_schedule_of_a_deleted_dataset_switches_itself_off(quality: Quality, tenant: str, dataset: str) -> None:
    quality.platform.registry.put(tenant, dataset)
    quality.engine.gate = asyncio.Event()
    caller = quality.user(tenant)
    schedule = schedule_pb2.Schedule(cron="0 3 * * *")
    await caller.call("SetSchedule", schedule_pb2.SetScheduleRequest(dataset_id=dataset, schedule=schedule))
    # The only worker is busy with the first until the dataset is gone.
    await caller.trigger(dataset)
    await quality.engine.started.wait()
    second = await caller.trigger(dataset)
    quality.platform.registry.datasets.clear()
    quality.engine.gate.set()
    ended = await caller.ended(second.id)
    assert (ended.state, ended.error.reason) == (Run.ERRORED, "DATASET_NOT_FOUND")
    assert (await caller.call("GetSchedule", schedule_pb2.GetScheduleRequest(dataset_id=dataset))).paused


async def test_a_preview_of_invalid_checks_names_line_and_column(quality: Quality, tenant: str, dataset: str) -> None:
    quality.platform.registry.put(tenant, dataset)
    quality.engine.validated = ValidatedChecks((CheckProblem(3, 5, "unknown check"),), (), "", (), (), ())
    request = check_pb2.PreviewChecksRequest(connection_id=dataset, checks_yaml="nonsense")
    code, reason, message = await refusal(quality.user(tenant), "PreviewChecks", request)
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_CHECKS")
    assert "line 3, column 5: unknown check" in message


@pytest.mark.parametrize(
    ("failure", "code", "reason"),
    [
        (ScanFailure.WAREHOUSE_UNREACHABLE, grpc.StatusCode.UNAVAILABLE, "WAREHOUSE_UNREACHABLE"),
        (ScanFailure.WAREHOUSE_REFUSED_LOGIN, grpc.StatusCode.FAILED_PRECONDITION, "WAREHOUSE_REFUSED_LOGIN"),
        (ScanFailure.DEADLINE_EXCEEDED, grpc.StatusCode.DEADLINE_EXCEEDED, "SCAN_DEADLINE_EXCEEDED"),
        (ScanFailure.OUT_OF_MEMORY, grpc.StatusCode.RESOURCE_EXHAUSTED, "SCAN_OUT_OF_MEMORY"),
    ],
)
async def test_a_preview_tells_what_became_of_the_warehouse(
    quality: Quality, tenant: str, dataset: str, failure: ScanFailure, code: grpc.StatusCode, reason: str
) -> None:
    quality.platform.registry.put(tenant, dataset)
    quality.engine.result = ScanFailed(failure, "in plain words")
    request = check_pb2.PreviewChecksRequest(connection_id=dataset, checks_yaml="checks for a:\n- row_count > 0\n")
    assert await refusal(quality.user(tenant), "PreviewChecks", request) == (code, reason, "in plain words")


async def test_a_suspended_tenant_previews_nothing(quality: Quality, tenant: str, dataset: str) -> None:
    quality.platform.registry.put(tenant, dataset, active=False)
    request = check_pb2.PreviewChecksRequest(connection_id=dataset, checks_yaml="checks for a:\n- row_count > 0\n")
    assert (await refusal(quality.user(tenant), "PreviewChecks", request))[:2] == (grpc.StatusCode.FAILED_PRECONDITION, "TENANT_SUSPENDED")
    assert not quality.engine.started.is_set()


async def test_a_tenant_that_previews_enough_is_told_to_wait_and_others_are_not(quality: Quality, tenant: str, dataset: str) -> None:
    quality.platform.registry.put(tenant, dataset)
    quality.engine.gate = asyncio.Event()
    request = check_pb2.PreviewChecksRequest(connection_id=dataset, checks_yaml="checks for a:\n- row_count > 0\n")
    caller = quality.user(tenant)
    first = asyncio.create_task(caller.call("PreviewChecks", request))
    await quality.engine.started.wait()
    assert (await refusal(caller, "PreviewChecks", request))[:2] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
    quality.engine.gate.set()
    assert (await first).state == Run.SUCCEEDED


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("GetRun", run_pb2.GetRunRequest(id="not-a-uuid")),
        ("TriggerDataset", run_pb2.TriggerDatasetRequest(dataset_id="x' OR '1'='1")),
        ("TriggerDataset", run_pb2.TriggerDatasetRequest(dataset_id="01900000-0000-7000-8000-0000000000d1", request_id="a b")),
        ("ListRuns", run_pb2.ListRunsRequest(page_size=-1)),
    ],
)
async def test_a_malformed_request_is_refused_before_it_does_anything(quality: Quality, tenant: str, method: str, request_: Any) -> None:
    code, reason, _ = await refusal(quality.user(tenant), method, request_)
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")

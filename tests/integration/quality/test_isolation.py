"""Every RPC of quality with another tenant's ids: nothing is found, and nothing changes."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import grpc
import pytest

from chalkandduster.common.v1 import access_pb2
from chalkandduster.quality.v1 import check_pb2, quality_service_pb2, run_pb2, schedule_pb2
from services.common.client import remote_error
from services.quality.domain.run import RunState
from tests.integration.quality.inprocess import Quality, running_quality
from tests.integration.quality.platform import Platform

_SERVICE = quality_service_pb2.DESCRIPTOR.services_by_name["QualityService"]
_METHODS = [method.name for method in _SERVICE.methods]
# What a caller without a right to the ids is told; for lists and services: nothing.
_NOT_FOUND: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "TriggerDataset": ("DATASET_NOT_FOUND", lambda dataset, run: run_pb2.TriggerDatasetRequest(dataset_id=dataset)),
    "GetRun": ("RUN_NOT_FOUND", lambda dataset, run: run_pb2.GetRunRequest(id=run)),
    "CancelRun": ("RUN_NOT_FOUND", lambda dataset, run: run_pb2.CancelRunRequest(id=run)),
    "WatchRun": ("RUN_NOT_FOUND", lambda dataset, run: run_pb2.WatchRunRequest(id=run)),
    "ListFailedRows": ("RUN_NOT_FOUND", lambda dataset, run: run_pb2.ListFailedRowsRequest(run_id=run)),
    "GetSchedule": ("SCHEDULE_NOT_FOUND", lambda dataset, run: schedule_pb2.GetScheduleRequest(dataset_id=dataset)),
    "SetSchedule": (
        "DATASET_NOT_FOUND",
        lambda dataset, run: schedule_pb2.SetScheduleRequest(dataset_id=dataset, schedule=schedule_pb2.Schedule(cron="* * * * *")),
    ),
    "DeleteSchedule": ("SCHEDULE_NOT_FOUND", lambda dataset, run: schedule_pb2.DeleteScheduleRequest(dataset_id=dataset)),
    "PreviewChecks": (
        "CONNECTION_NOT_FOUND",
        lambda dataset, run: check_pb2.PreviewChecksRequest(connection_id=dataset, checks_yaml="checks for a:\n- row_count > 0\n"),
    ),
}
_EMPTY: dict[str, Callable[[str], Any]] = {
    "ListRuns": lambda dataset: run_pb2.ListRunsRequest(dataset_id=dataset),
    "GetDatasetUsage": lambda dataset: run_pb2.GetDatasetUsageRequest(dataset_id=dataset),
}
# Acts in no tenant and takes no id.
_WITHOUT_IDS = {"ValidateChecks"}


@pytest.fixture
async def quality(platform: Platform) -> AsyncIterator[Quality]:
    async with running_quality(platform, workers=0) as running:
        yield running


async def _call(caller: Any, method: str, request: Any) -> Any:
    if method == "WatchRun":
        return [item async for item in caller.stub.WatchRun(request, metadata=caller.metadata, timeout=10)]
    return await caller.call(method, request)


async def _everything(platform: Platform) -> list[Any]:
    connection = await asyncpg.connect(platform.database.url("postgres"))
    try:
        return [await connection.fetch(f"SELECT * FROM quality.{table}") for table in ("runs", "schedules", "tenant_quotas", "outbox")]
    finally:
        await connection.close()


def test_the_matrix_knows_every_rpc() -> None:
    assert sorted([*_NOT_FOUND, *_EMPTY, *_WITHOUT_IDS]) == sorted(_METHODS)
    tenant_scoped = [m.name for m in _SERVICE.methods if m.GetOptions().Extensions[access_pb2.access].scope == access_pb2.Access.TENANT]
    assert set(tenant_scoped) == {*_NOT_FOUND, *_EMPTY}


async def test_another_tenants_ids_are_not_found_and_nothing_changes(quality: Quality, tenant: str, dataset: str) -> None:
    quality.platform.registry.put(tenant, dataset)
    owner, stranger = quality.user(tenant), quality.user(str(uuid.uuid4()))
    run = await owner.trigger(dataset)
    schedule = schedule_pb2.Schedule(cron="0 3 * * *")
    await owner.call("SetSchedule", schedule_pb2.SetScheduleRequest(dataset_id=dataset, schedule=schedule))
    before = await _everything(quality.platform)
    for method, (reason, request) in _NOT_FOUND.items():
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await _call(stranger, method, request(dataset, run.id))
        assert (refused.value.code(), remote_error(refused.value).reason) == (grpc.StatusCode.NOT_FOUND, reason), method
    assert list((await _call(stranger, "ListRuns", _EMPTY["ListRuns"](dataset))).runs) == []
    used = await _call(quality.service(str(uuid.uuid4())), "GetDatasetUsage", _EMPTY["GetDatasetUsage"](dataset))
    assert (used.has_schedule, list(used.active_run_ids)) == (False, [])
    assert await _everything(quality.platform) == before


async def test_a_page_token_of_another_tenant_is_refused(quality: Quality, tenant: str, dataset: str) -> None:
    quality.platform.registry.put(tenant, dataset)
    owner, stranger = quality.user(tenant), quality.user(str(uuid.uuid4()))
    for _ in range(2):
        await owner.trigger(dataset)
    page = await owner.call("ListRuns", run_pb2.ListRunsRequest(page_size=1))
    assert page.next_page_token
    for caller, request in (
        (stranger, run_pb2.ListRunsRequest(page_token=page.next_page_token)),
        (owner, run_pb2.ListRunsRequest(page_token=page.next_page_token, dataset_id=dataset)),
        (owner, run_pb2.ListRunsRequest(page_token="garbage")),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await caller.call("ListRuns", request)
        assert remote_error(refused.value).reason == "INVALID_PAGE_TOKEN"
    rest = await owner.call("ListRuns", run_pb2.ListRunsRequest(page_token=page.next_page_token))
    assert len(rest.runs) == 1


@pytest.mark.parametrize("method", sorted({*_NOT_FOUND, "ListRuns"}))
async def test_no_call_of_a_tenant_is_answered_without_a_token(quality: Quality, method: str, dataset: str) -> None:
    request = _EMPTY[method](dataset) if method in _EMPTY else _NOT_FOUND[method][1](dataset, dataset)
    anonymous = type(quality.user(dataset))(quality.user(dataset).stub, ())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await _call(anonymous, method, request)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("method", ["TriggerDataset", "CancelRun", "SetSchedule", "DeleteSchedule", "ListFailedRows", "PreviewChecks"])
async def test_a_viewer_changes_nothing_and_reads_no_rows(quality: Quality, tenant: str, dataset: str, method: str) -> None:
    quality.platform.registry.put(tenant, dataset)
    run = await quality.user(tenant).trigger(dataset)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await _call(quality.user(tenant, "viewer"), method, _NOT_FOUND[method][1](dataset, run.id))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert (await quality.parts.runs.get(tenant, run.id, with_results=False)).state is RunState.QUEUED

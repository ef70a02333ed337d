"""From trigger to result, through real gRPC, Postgres and processes; the engine is the test's."""

from __future__ import annotations

import grpc
import pytest

from chalkandduster.quality.v1 import run_pb2
from tests.integration.quality.platform import Platform

Run = run_pb2.Run


async def test_a_triggered_run_is_executed_and_its_result_recorded(platform: Platform, tenant: str, dataset: str) -> None:
    platform.registry.put(tenant, dataset, checks_yaml="engine: fail")
    quality = await platform.start()
    caller = await platform.caller(quality, tenant)
    queued = await caller.trigger(dataset, kinds=[Run.QUALITY])
    assert (queued.state, queued.trigger, queued.dataset_name, queued.triggered_by) == (
        Run.QUEUED,
        Run.MANUAL,
        "customers",
        "dev-tenant_admin",
    )
    ended = await caller.ended(queued.id)
    assert (ended.state, ended.verdict, ended.attempts) == (Run.SUCCEEDED, Run.FAIL, 1)
    assert [(check.name, check.has_samples) for check in ended.checks] == [("one check", True)]
    assert ended.check_counts.failed == 1
    rows = await caller.call("ListFailedRows", run_pb2.ListFailedRowsRequest(run_id=queued.id))
    assert rows.failed_rows[0].rows[0].values[0].text == "1"


async def test_a_dataset_without_checks_is_refused_with_the_reason(platform: Platform, tenant: str, dataset: str) -> None:
    platform.registry.put(tenant, dataset, checks_yaml="")
    caller = await platform.caller(await platform.start(), tenant)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await caller.trigger(dataset)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "no checks" in (refused.value.details() or "")

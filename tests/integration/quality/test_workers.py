"""Workers that die, stop, lose their lease or their neighbours: what is recorded, and how often."""

from __future__ import annotations

import asyncpg
import grpc
import pytest

from chalkandduster.quality.v1 import run_pb2
from services.common.client import remote_error
from tests.integration.quality.platform import Platform, eventually

Run = run_pb2.Run


def scans(platform: Platform) -> list[list[str]]:
    """Run id, attempt and process of each scan that was started."""
    file = platform.directory / "scans.txt"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def stopped(platform: Platform) -> list[list[str]]:
    file = platform.directory / "stopped.txt"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


async def rows(platform: Platform, sql: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(platform.database.url("postgres"))
    try:
        return list(await connection.fetch(sql, *arguments))
    finally:
        await connection.close()


async def until_scanning(platform: Platform, count: int = 1) -> None:
    async def scanning() -> bool:
        return len(scans(platform)) >= count

    await eventually(scanning)


async def test_a_run_whose_worker_is_killed_is_executed_again_and_recorded_once(platform: Platform, tenant: str, dataset: str) -> None:
    platform.registry.put(tenant, dataset, checks_yaml="engine: slow 1")
    front = await platform.start(workers=0)
    victim = await platform.start()
    caller = await platform.caller(front, tenant)
    run = await caller.trigger(dataset)
    await until_scanning(platform)
    victim.kill()
    await platform.start()
    ended = await caller.ended(run.id)
    assert (ended.state, ended.verdict, ended.attempts) == (Run.SUCCEEDED, Run.PASS, 2)
    assert len(scans(platform)) == 2
    assert len(await rows(platform, "SELECT FROM quality.check_results")) == 1
    assert [row["running"] for row in await rows(platform, "SELECT running FROM quality.tenant_quotas")] == [0]


async def test_a_worker_paused_past_its_lease_records_nothing_when_it_wakes(platform: Platform, tenant: str, dataset: str) -> None:
    platform.registry.put(tenant, dataset, checks_yaml="engine: slow 0.5")
    front = await platform.start(workers=0)
    sleeper = await platform.start(workers=1)
    caller = await platform.caller(front, tenant)
    run = await caller.trigger(dataset)
    await until_scanning(platform)
    sleeper.pause()
    await platform.start(workers=1)
    ended = await caller.ended(run.id)
    sleeper.resume()

    async def noticed() -> bool:
        return "lost the lease" in sleeper.messages()

    await eventually(noticed)
    assert (ended.verdict, ended.attempts) == (Run.PASS, 2)
    assert await caller.get(run.id) == ended
    assert len(await rows(platform, "SELECT FROM quality.check_results")) == 1
    finished = [message for message in sleeper.messages() if message == "attempt ended"]
    assert finished == []


async def test_a_run_whose_workers_keep_dying_is_given_up_with_the_reason(platform: Platform, tenant: str, dataset: str) -> None:
    platform.registry.put(tenant, dataset, checks_yaml="engine: slow 60")
    front = await platform.start(workers=0, retry_delays_seconds="[0.1]", lease_seconds=1)
    caller = await platform.caller(front, tenant)
    run = await caller.trigger(dataset)
    for attempt in (1, 2):
        victim = await platform.start(workers=1, retry_delays_seconds="[0.1]", lease_seconds=1)
        await until_scanning(platform, attempt)
        victim.kill()
    ended = await caller.ended(run.id)
    assert (ended.state, ended.verdict, ended.error.reason) == (Run.ERRORED, Run.ERROR, "SCAN_WORKER_DIED")


async def test_at_sigterm_a_running_scan_ends_within_the_grace(platform: Platform, tenant: str, dataset: str) -> None:
    platform.registry.put(tenant, dataset, checks_yaml="engine: slow 1")
    front = await platform.start(workers=0)
    worker = await platform.start()
    caller = await platform.caller(front, tenant)
    run = await caller.trigger(dataset)
    await until_scanning(platform)
    assert await worker.stop() == 0
    ended = await caller.get(run.id)
    assert (ended.state, ended.attempts) == (Run.SUCCEEDED, 1)


async def test_at_sigterm_a_scan_longer_than_the_grace_goes_back_to_the_queue_at_once(
    platform: Platform, tenant: str, dataset: str
) -> None:
    platform.registry.put(tenant, dataset, checks_yaml="engine: slow 60")
    front = await platform.start(workers=0, lease_seconds=600)
    worker = await platform.start(shutdown_grace_seconds=0.2, lease_seconds=600)
    caller = await platform.caller(front, tenant)
    run = await caller.trigger(dataset)
    await until_scanning(platform)
    assert await worker.stop() == 0
    waiting = await caller.get(run.id)
    assert (waiting.state, waiting.attempts, waiting.error.reason) == (Run.QUEUED, 1, "")
    assert len(stopped(platform)) == 1
    assert [row["failures"] for row in await rows(platform, "SELECT failures FROM quality.runs")] == [0]


async def test_a_registry_that_is_down_is_waited_for(platform: Platform, tenant: str, dataset: str) -> None:
    platform.registry.put(tenant, dataset, checks_yaml="engine: pass")
    front = await platform.start(workers=0)
    caller = await platform.caller(front, tenant)
    run = await caller.trigger(dataset)
    blind = await platform.start(registry_address="127.0.0.1:1", retry_delays_seconds="[0.2]")

    async def tried_often() -> bool:
        waiting = await caller.get(run.id)
        return waiting.error.reason == "DEPENDENCY_UNAVAILABLE" and waiting.attempts > 2

    await eventually(tried_often)
    blind.kill()
    await platform.start()
    ended = await caller.ended(run.id)
    # More attempts than the policy allows for a run's own failures: an outage counts against nobody.
    assert (ended.state, ended.error.reason) == (Run.SUCCEEDED, "")
    assert ended.attempts > 2


async def test_cancelling_a_running_run_stops_its_scan(platform: Platform, tenant: str, dataset: str) -> None:
    platform.registry.put(tenant, dataset, checks_yaml="engine: slow 60")
    quality = await platform.start()
    caller = await platform.caller(quality, tenant)
    run = await caller.trigger(dataset)
    await until_scanning(platform)
    asked = await caller.call("CancelRun", run_pb2.CancelRunRequest(id=run.id))
    assert (asked.state, asked.cancel_requested) == (Run.RUNNING, True)
    ended = await caller.ended(run.id)
    assert (ended.state, ended.verdict, list(ended.checks)) == (Run.CANCELLED, Run.VERDICT_UNSPECIFIED, [])
    assert [line[0] for line in stopped(platform)] == [run.id]
    again = await caller.call("CancelRun", run_pb2.CancelRunRequest(id=run.id))
    assert again == ended


async def test_cancelling_a_queued_run_ends_it_before_any_worker_sees_it(platform: Platform, tenant: str, dataset: str) -> None:
    platform.registry.put(tenant, dataset, checks_yaml="engine: pass")
    caller = await platform.caller(await platform.start(workers=0), tenant)
    run = await caller.trigger(dataset)
    cancelled = await caller.call("CancelRun", run_pb2.CancelRunRequest(id=run.id))
    assert (cancelled.state, cancelled.cancel_requested) == (Run.CANCELLED, False)
    assert scans(platform) == []


async def test_an_ended_run_cannot_be_cancelled(platform: Platform, tenant: str, dataset: str) -> None:
    platform.registry.put(tenant, dataset, checks_yaml="engine: pass")
    caller = await platform.caller(await platform.start(), tenant)
    run = await caller.ended((await caller.trigger(dataset)).id)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await caller.call("CancelRun", run_pb2.CancelRunRequest(id=run.id))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert remote_error(refused.value).reason == "RUN_ENDED"
    assert await caller.get(run.id) == run


async def test_every_change_reaches_the_audit_trail_of_the_registry(platform: Platform, tenant: str, dataset: str) -> None:
    platform.registry.put(tenant, dataset, checks_yaml="engine: slow 60")
    caller = await platform.caller(await platform.start(workers=0), tenant)
    run = await caller.trigger(dataset)
    await caller.call("CancelRun", run_pb2.CancelRunRequest(id=run.id))

    async def relayed() -> bool:
        return not await rows(platform, "SELECT FROM quality.outbox")

    await eventually(relayed)
    told = [(sent.tenant_id, sent.event.action, sent.event.actor, sent.event.resource_id) for sent in platform.registry.events]
    assert told == [
        (tenant, "quality.TriggerDataset", "dev-tenant_admin", run.id),
        (tenant, "quality.CancelRun", "dev-tenant_admin", run.id),
    ]

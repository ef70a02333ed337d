"""Many claimers and schedulers at once on one real Postgres."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from itertools import cycle

import asyncpg
import pytest

from services.common.audit import AuditEvent, Outcome
from services.common.clock import now
from services.common.ids import new_id
from services.common.postgres import Database as Pool
from services.common.postgres import create_pool
from services.common.sql import load_statements
from services.common.testing.rls import unprotected_tables
from services.common.testing.sql import unprepared
from services.quality.app.fire_schedules import FireSchedules
from services.quality.app.ports import QueueContended
from services.quality.domain.kinds import KindChoice
from services.quality.domain.run import ClaimedRun, NewRun, RunFilter, RunKind, RunResult, RunTrigger, RunVerdict
from services.quality.domain.schedule import NewSchedule
from services.quality.storage.queue import PostgresWorkQueue
from services.quality.storage.runs import PostgresRunStore
from services.quality.storage.schedules import PostgresScheduleStore
from tests.support.databases import Database

TENANT_A, TENANT_B = str(uuid.uuid4()), str(uuid.uuid4())
PASSED = RunResult(RunVerdict.PASS)


@dataclass(frozen=True)
class Side:
    """What one process would have: its own pool."""

    runs: PostgresRunStore
    queue: PostgresWorkQueue
    schedules: PostgresScheduleStore


@pytest.fixture
async def sides(quality_database: Database) -> AsyncIterator[Callable[[int], list[Side]]]:
    async with AsyncExitStack() as stack:
        pools = []
        for number in range(4):
            own = Pool(await create_pool(quality_database.app_url("quality"), application_name=f"side-{number}", max_size=4))
            stack.push_async_callback(own.close)
            pools.append(own)

        def take(count: int) -> list[Side]:
            return [Side(PostgresRunStore(p), PostgresWorkQueue(p, "w", 60, 4), PostgresScheduleStore(p, 4)) for p in pools[:count]]

        yield take


def event(tenant: str) -> AuditEvent:
    return AuditEvent("quality.TriggerDataset", "anna", Outcome.ALLOWED, tenant)


async def enqueue(side: Side, tenant: str, count: int, cap: int) -> None:
    for _ in range(count):
        run = NewRun(new_id(), tenant, new_id(), "customers", (RunKind.QUALITY,), RunTrigger.API, "anna")
        await side.runs.enqueue(run, cap, event(tenant))


async def claim(queue: PostgresWorkQueue) -> ClaimedRun | None:
    while True:
        try:
            return await queue.claim()
        except QueueContended:
            await asyncio.sleep(0.002)


async def test_the_cap_of_a_tenant_holds_under_sixteen_claimers(sides: Callable[[int], list[Side]]) -> None:
    four = sides(4)
    await enqueue(four[0], TENANT_A, 60, cap=3)
    running: set[str] = set()
    most = 0
    executed: Counter[str] = Counter()

    async def worker(side: Side) -> None:
        nonlocal most
        while sum(executed.values()) + len(running) < 60:
            run = await claim(side.queue)
            if run is None:
                await asyncio.sleep(0.002)
                continue
            running.add(run.id)
            most = max(most, len(running))
            await asyncio.sleep(0.005)
            # Before the write: the place is free for others the moment that it commits.
            running.discard(run.id)
            executed[run.id] += 1
            await side.queue.succeed(run, PASSED, ())

    await asyncio.gather(*(worker(side) for side, _ in zip(cycle(four), range(16), strict=False)))
    assert most == 3
    assert len(executed) == 60
    assert set(executed.values()) == {1}
    assert [depth for depth in await four[0].queue.depths() if depth.running] == []


async def test_a_tenant_behind_four_hundred_runs_of_another_is_next(sides: Callable[[int], list[Side]]) -> None:
    (side,) = sides(1)
    await enqueue(side, TENANT_A, 400, cap=100)
    assert (await claim(side.queue)) is not None
    await enqueue(side, TENANT_B, 1, cap=1)
    found = await claim(side.queue)
    assert found is not None
    assert found.tenant_id == TENANT_B


async def test_one_request_id_makes_one_run_however_many_send_it_at_once(sides: Callable[[int], list[Side]]) -> None:
    dataset = new_id()

    async def send(side: Side) -> str:
        run = NewRun(new_id(), TENANT_A, dataset, "customers", (RunKind.QUALITY,), RunTrigger.API, "anna", request_id="once")
        return (await side.runs.enqueue(run, 4, event(TENANT_A))).id

    answers = await asyncio.gather(*(send(side) for side, _ in zip(cycle(sides(4)), range(16), strict=False)))
    assert len(set(answers)) == 1


async def test_four_schedulers_make_exactly_one_run_of_each_due_time(sides: Callable[[int], list[Side]]) -> None:
    four = sides(4)
    datasets = [new_id() for _ in range(500)]
    missed = now() - timedelta(hours=3)
    for tenant, dataset in zip(cycle((TENANT_A, TENANT_B)), datasets, strict=False):
        schedule = NewSchedule(tenant, dataset, "customers", "* * * * *", "Europe/Vienna", False, (), missed)
        await four[0].schedules.set(schedule, None, event(tenant))
    kinds = KindChoice(drift_available=False)
    queued = await asyncio.gather(*(FireSchedules(side.schedules, kinds, now, new_id).execute() for side in four))
    assert sum(queued) == 500
    runs = [
        run
        for tenant in (TENANT_A, TENANT_B)
        for run in await four[0].runs.list(tenant, RunFilter(trigger=RunTrigger.SCHEDULE), 1000, None)
    ]
    assert Counter(run.dataset_id for run in runs) == Counter(datasets)
    assert {run.kinds for run in runs} == {(RunKind.QUALITY,)}
    later = await four[0].schedules.get(TENANT_A, datasets[0])
    assert later is not None
    assert later.last_run_time == missed
    assert later.next_run_time is not None
    assert later.next_run_time > now()
    # None is left over: the 180 minutes that were missed are made up for by these runs.
    assert await FireSchedules(four[0].schedules, kinds, now, new_id).execute() == 0


async def test_a_schedule_whose_run_still_waits_queues_no_second_one(sides: Callable[[int], list[Side]]) -> None:
    (side,) = sides(1)
    dataset = new_id()
    fire = FireSchedules(side.schedules, KindChoice(drift_available=False), now, new_id)
    for expected in (1, 0):
        schedule = NewSchedule(TENANT_A, dataset, "customers", "* * * * *", "UTC", False, (), now() - timedelta(minutes=2))
        await side.schedules.set(schedule, None, event(TENANT_A))
        assert await fire.execute() == expected
    run = await claim(side.queue)
    assert run is not None
    await side.queue.succeed(run, PASSED, ())
    schedule = NewSchedule(TENANT_A, dataset, "customers", "* * * * *", "UTC", False, (), now() - timedelta(minutes=1))
    await side.schedules.set(schedule, None, event(TENANT_A))
    assert await fire.execute() == 1


async def test_no_table_shows_a_tenant_the_rows_of_another(quality_database: Database) -> None:
    connection = await asyncpg.connect(quality_database.url("postgres"))
    try:
        assert await unprotected_tables(connection, "quality") == []
    finally:
        await connection.close()


@pytest.mark.parametrize("file", ["history.sql", "outbox.sql", "queue.sql", "runs.sql", "schedules.sql"])
async def test_every_statement_fits_the_migrated_schema(quality_database: Database, file: str) -> None:
    connection = await asyncpg.connect(quality_database.app_url("quality"))
    try:
        assert await unprepared(connection, load_statements("services.quality.storage.sql", file)) == {}
    finally:
        await connection.close()


async def test_the_functions_across_tenants_belong_to_the_system_role_and_serve_quality_alone(quality_database: Database) -> None:
    connection = await asyncpg.connect(quality_database.url("postgres"))
    try:
        found = await connection.fetch(
            "SELECT p.proname, p.proowner::regrole::text AS owner, p.prosecdef,"
            " has_function_privilege('registry_app', p.oid, 'EXECUTE') AS open"
            " FROM pg_proc p WHERE p.pronamespace = 'quality'::regnamespace"
        )
    finally:
        await connection.close()
    assert len(found) == 8
    assert {(row["owner"], row["prosecdef"], row["open"]) for row in found} == {("quality_system", True, False)}


async def test_the_run_time_role_sees_no_rows_without_a_tenant(sides: Callable[[int], list[Side]], quality_database: Database) -> None:
    await enqueue(sides(1)[0], TENANT_A, 1, cap=1)
    connection = await asyncpg.connect(quality_database.app_url("quality"))
    try:
        for table in ("runs", "tenant_quotas", "check_results", "measurements", "schedules"):
            assert await connection.fetchval(f"SELECT count(*) FROM quality.{table}") == 0
        assert await connection.execute("UPDATE quality.runs SET dataset_name = 'mine'") == "UPDATE 0"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM quality.runs")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT * FROM quality.outbox")
    finally:
        await connection.close()

"""The life of scans and workers: cancelled, out of time, killed, warm, and never shared."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import psutil
import pytest

from services.quality.domain.connection import PostgresConnection, SnowflakeConnection
from services.quality.domain.history import NoHistory
from services.quality.domain.scan import CheckVerdict, ScanFailed, ScanFailure, ScanRequest
from services.quality.soda.engine import EngineLimits, SodaEngine
from services.quality.soda.worker_pool import PoolLimits
from tests.integration.quality.soda.scanning import Scanner, postgres_spec, run_in_postgres, snowflake_spec
from tests.support.databases import Database
from tests.support.warehouse import Warehouse

pytestmark = [pytest.mark.asyncio(loop_scope="session")]

ROWS = "checks for customers:\n  - row_count = 5\n"
SLOW = "checks for customers:\n  - slow > 0:\n      slow query: SELECT SUM(HASH(a.seq + b.seq)) FROM numbers a CROSS JOIN numbers b\n"
SLOW_POSTGRES = (
    "checks for customers:\n  - slow > 0:\n      slow query: SELECT COUNT(*) FROM numbers a CROSS JOIN numbers b WHERE a.n + b.n < 0\n"
)


@pytest.fixture
def slow(shop: Scanner, warehouse: Warehouse) -> Scanner:
    """The shop with a query that would run for minutes."""
    warehouse.execute("CREATE TABLE IF NOT EXISTS numbers AS SELECT seq4() AS seq FROM TABLE(GENERATOR(ROWCOUNT => 3000000))")
    return shop


@pytest.fixture
def slow_postgres(postgres_shop: Scanner, shop_database: Database) -> Scanner:
    run_in_postgres(shop_database, "CREATE TABLE IF NOT EXISTS numbers AS SELECT generate_series(1, 200000) AS n")
    return postgres_shop


async def _until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        await asyncio.sleep(0.02)


def _running(warehouse: Warehouse) -> list[str]:
    return [entry.sql for entry in warehouse.emulator.statements() if entry.duration_ms is None and "HASH(" in entry.sql]


def _children(engine: SodaEngine) -> list[psutil.Process]:
    assert engine.zygote.pid is not None
    children: list[psutil.Process] = psutil.Process(engine.zygote.pid).children()
    return children


async def test_a_cancelled_scan_stops_its_statement_in_the_warehouse(slow: Scanner, warehouse: Warehouse) -> None:
    request = slow.request(SLOW)
    scan = asyncio.create_task(slow.engine.scan(request, NoHistory()))
    await _until(lambda: bool(_running(warehouse)))
    assert slow.engine.cancel(request.run_id)
    with pytest.raises(ScanFailed) as failed:
        await scan
    assert failed.value.failure is ScanFailure.CANCELLED
    await _until(lambda: not _running(warehouse))
    assert [entry.stopped_by for entry in warehouse.emulator.statements() if "HASH(" in entry.sql][-1] is not None


async def test_cancelling_the_task_kills_the_scan(slow: Scanner, warehouse: Warehouse) -> None:
    scan = asyncio.create_task(slow.outcome(SLOW))
    await _until(lambda: bool(_running(warehouse)))
    scan.cancel()
    with pytest.raises(asyncio.CancelledError):
        await scan
    await _until(lambda: not _running(warehouse))


async def test_a_scan_that_no_longer_runs_cannot_be_cancelled(shop: Scanner) -> None:
    assert not shop.engine.cancel("unknown-run")


async def test_a_scan_is_stopped_at_its_deadline(slow: Scanner, warehouse: Warehouse) -> None:
    with pytest.raises(ScanFailed) as failed:
        await slow.outcome(SLOW, deadline_seconds=1.0, statement_timeout_seconds=60.0)
    assert failed.value.failure is ScanFailure.DEADLINE_EXCEEDED
    assert "1 seconds" in failed.value.message
    await _until(lambda: not _running(warehouse))


async def test_a_worker_that_cannot_answer_is_killed_and_its_statement_stopped_from_outside(slow: Scanner, warehouse: Warehouse) -> None:
    before = {child.pid for child in _children(slow.engine)}
    lonely = replace(slow, tenant="tenant-stopped")
    scan = asyncio.create_task(lonely.outcome(SLOW, deadline_seconds=3.0, statement_timeout_seconds=60.0))
    await _until(lambda: bool(_running(warehouse)))
    for child in _children(slow.engine):
        if child.pid not in before or child.num_threads() > 2:
            child.suspend()
    with pytest.raises(ScanFailed) as failed:
        await scan
    assert failed.value.failure is ScanFailure.DEADLINE_EXCEEDED
    await _until(lambda: not _running(warehouse))
    for child in _children(slow.engine):
        child.resume()


async def test_a_slow_statement_is_one_checks_error(slow: Scanner) -> None:
    results = await slow.scan(SLOW + "  - row_count = 5\n", statement_timeout_seconds=1.0)
    assert [result.verdict for result in results] == [CheckVerdict.ERROR, CheckVerdict.PASS]
    assert results[0].message == "The statement was stopped; it may take 1 seconds."


async def test_postgres_statements_are_stopped_too(slow_postgres: Scanner, shop_database: Database) -> None:
    results = await slow_postgres.scan(SLOW_POSTGRES + "  - row_count = 5\n", statement_timeout_seconds=1.0)
    assert [result.verdict for result in results] == [CheckVerdict.ERROR, CheckVerdict.PASS]
    with pytest.raises(ScanFailed):
        await slow_postgres.scan(SLOW_POSTGRES, deadline_seconds=1.0, statement_timeout_seconds=50.0)
    asked = "SELECT COUNT(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%CROSS JOIN%' AND pid <> pg_backend_pid()"
    await _until(lambda: run_in_postgres(shop_database, asked) == [(0,)])


async def test_a_killed_worker_is_told_as_such_and_the_next_scan_works(slow: Scanner, warehouse: Warehouse) -> None:
    scan = asyncio.create_task(slow.outcome(SLOW))
    await _until(lambda: bool(_running(warehouse)))
    for child in _children(slow.engine):
        child.kill()
    with pytest.raises(ScanFailed) as failed:
        await scan
    assert failed.value.failure is ScanFailure.WORKER_DIED
    assert (await slow.scan(ROWS))[0].verdict is CheckVerdict.PASS


async def test_a_dead_zygote_is_started_again(shop: Scanner) -> None:
    old = shop.engine.zygote.pid
    assert old is not None
    workers = [child.pid for child in _children(shop.engine)]
    os.kill(old, signal.SIGKILL)
    await _until(lambda: shop.engine.zygote.pid is None)
    await _until(lambda: not any(psutil.pid_exists(pid) for pid in workers))
    assert (await shop.scan(ROWS))[0].verdict is CheckVerdict.PASS
    assert (await shop.engine.validate(ROWS)).valid
    assert shop.engine.zygote.pid != old


async def test_nothing_survives_the_service() -> None:
    script = (
        "import asyncio, os\n"
        "from services.quality.soda.engine import SodaEngine\n"
        "async def main():\n"
        "    engine = SodaEngine()\n"
        "    await engine.start()\n"
        "    await engine.validate('checks for t:\\n  - row_count > 0\\n')\n"
        "    await asyncio.sleep(0.2)\n"
        "    print(engine.zygote.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    service = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE)
    assert service.stdout is not None
    zygote = psutil.Process(int(await service.stdout.readline()))
    family = [zygote, *zygote.children()]
    assert len(family) > 1
    service.kill()
    await service.wait()
    await _until(lambda: not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family))


async def test_a_warm_worker_keeps_its_session(shop: Scanner, warehouse: Warehouse) -> None:
    own = replace(shop, tenant="tenant-warm")
    sessions = set()
    for _ in range(3):
        await own.scan(ROWS)
        sessions.add(warehouse.emulator.statements()[-1].session)
    assert len(sessions) == 1


async def test_no_two_tenants_connections_or_revisions_share_a_worker(shop: Scanner, warehouse: Warehouse) -> None:
    sessions = []
    for changes in ({}, {"tenant_id": "other"}, {"connection_id": "other"}, {"connection_revision": "other"}, {"schema": "PUBLIC"}):
        with_changes = shop.request(ROWS if changes != {"schema": "PUBLIC"} else "checks for nowhere:\n  - row_count = 0\n", **changes)
        await shop.engine.scan(with_changes, NoHistory())
        sessions.append(warehouse.emulator.statements()[-1].session)
    assert len(set(sessions)) == 5


async def test_workers_know_no_environment_and_run_under_limits(shop: Scanner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "a secret")
    engine = SodaEngine()
    await engine.start()
    try:
        await replace(shop, engine=engine).scan(ROWS)
        for process in (psutil.Process(engine.zygote.pid), *_children(engine)):
            assert set(process.environ()) <= {"HOME", "TMPDIR", "PYTHONPATH", "PYTHONUTF8", "LC_CTYPE"}
        # A process with threads must not be forked: a lock that one of them holds stays locked in the child for ever.
        assert psutil.Process(engine.zygote.pid).num_threads() == 1
        for worker in _children(engine):
            assert worker.rlimit(psutil.RLIMIT_AS)[0] == 2 * 1024**3
            assert worker.rlimit(psutil.RLIMIT_CORE)[0] == 0
            assert worker.memory_full_info().uss < 150 * 1024**2
    finally:
        await engine.close()


async def test_idle_workers_go_and_busy_ones_are_counted(shop: Scanner) -> None:
    limits = EngineLimits(PoolLimits(workers=2, idle_seconds=0.0), housekeeping_seconds=0.2)
    engine = SodaEngine(limits)
    await engine.start()
    try:
        scans = [replace(shop, engine=engine, tenant=f"tenant-{number}").scan(ROWS) for number in range(6)]
        results = await asyncio.gather(*scans)
        assert all(found[0].verdict is CheckVerdict.PASS for found in results)
        # Only the spare is left.
        await _until(lambda: len(_children(engine)) == 1)
    finally:
        await engine.close()


async def test_scans_of_many_tenants_at_once_keep_to_themselves(shop: Scanner) -> None:
    scans = [replace(shop, tenant=f"many-{number}").one(f"row_count = {number}") for number in range(12)]
    results = await asyncio.gather(*scans)
    assert [result.verdict is CheckVerdict.PASS for result in results] == [number == 5 for number in range(12)]
    assert [result.name for result in results] == [f"row_count = {number}" for number in range(12)]


async def test_statements_carry_tenant_dataset_and_run(shop: Scanner, warehouse: Warehouse) -> None:
    request = shop.request(ROWS)
    await shop.engine.scan(request, NoHistory())
    tag = warehouse.emulator.statements()[-1].tag
    assert all(part in tag for part in (request.tenant_id, request.dataset_id, request.run_id))


def _failure(error: pytest.ExceptionInfo[ScanFailed]) -> ScanFailure:
    return error.value.failure


async def test_a_wrong_password_is_a_refused_login(shop: Scanner, warehouse: Warehouse) -> None:
    wrong = replace(shop, connection=snowflake_spec(warehouse, password="wrong"))
    with pytest.raises(ScanFailed) as error:
        await wrong.scan(ROWS)
    assert _failure(error) is ScanFailure.WAREHOUSE_REFUSED_LOGIN
    assert "wrong" not in error.value.message.lower().replace("wrong user", "")


async def test_a_wrong_password_is_a_refused_login_in_postgres(postgres_shop: Scanner, shop_database: Database) -> None:
    run_in_postgres(shop_database, "DROP ROLE IF EXISTS nobody", "CREATE ROLE nobody LOGIN PASSWORD 'x'")
    spec = postgres_spec(shop_database, user="nobody_at_all", password="wrong")
    with pytest.raises(ScanFailed) as error:
        await replace(postgres_shop, connection=spec).scan(ROWS)
    assert _failure(error) is ScanFailure.WAREHOUSE_REFUSED_LOGIN


@pytest.mark.parametrize("kind", ["snowflake", "postgres"])
async def test_a_host_that_does_not_answer_is_unreachable(shop: Scanner, postgres_shop: Scanner, warehouse: Warehouse, kind: str) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    scanner = shop if kind == "snowflake" else postgres_shop
    spec = scanner.connection
    assert isinstance(spec, (SnowflakeConnection, PostgresConnection))
    with pytest.raises(ScanFailed) as error:
        await replace(scanner, connection=replace(spec, port=port)).scan(ROWS)
    assert _failure(error) is ScanFailure.WAREHOUSE_UNREACHABLE
    assert str(port) in error.value.message


async def test_a_closed_session_is_opened_again(postgres_shop: Scanner, shop_database: Database) -> None:
    await postgres_shop.scan(ROWS)
    run_in_postgres(shop_database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chalkandduster'")
    assert (await postgres_shop.scan(ROWS))[0].verdict is CheckVerdict.PASS


async def test_history_that_fails_fails_the_scan(shop: Scanner) -> None:
    class Broken:
        async def measurements(self, query: object) -> list[object]:
            raise RuntimeError("the database is gone")

    request: ScanRequest = shop.request("checks for customers:\n  - change for row_count < 5\n")
    with pytest.raises(RuntimeError, match="database is gone"):
        await shop.engine.scan(request, Broken())  # type: ignore[arg-type]

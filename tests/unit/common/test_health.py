from __future__ import annotations

import asyncio
import logging

import pytest
from grpc_health.v1 import health_pb2

from services.common import health
from services.common.health import NOT_SERVING, SERVING, HealthMonitor, HealthServicer

NAMES = ("a.B", "c.D")


class Need:
    """Something that a service needs."""

    def __init__(self) -> None:
        self.works = True
        self.hangs = False

    async def check(self) -> None:
        if self.hangs:
            await asyncio.sleep(60)
        if not self.works:
            raise ConnectionError("postgresql://user:hunter2@db")


async def status(servicer: HealthServicer, name: str = "") -> int:
    answer: health_pb2.HealthCheckResponse = await servicer.Check(health_pb2.HealthCheckRequest(service=name), None)
    return int(answer.status)


async def test_a_server_is_not_serving_before_it_has_looked() -> None:
    assert await status(HealthServicer(NAMES)) == NOT_SERVING


async def test_all_names_follow_what_the_service_needs() -> None:
    servicer, database, queue = HealthServicer(NAMES), Need(), Need()
    monitor = HealthMonitor(servicer, {"database": database.check, "queue": queue.check}, 60)
    for works, expected in ((True, SERVING), (False, NOT_SERVING), (True, SERVING)):
        queue.works = works
        await monitor.look()
        assert [await status(servicer, name) for name in ("", *NAMES)] == [expected] * 3


async def test_a_check_that_does_not_answer_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_CHECK_SECONDS", 0.01)
    servicer, database = HealthServicer(NAMES), Need()
    database.hangs = True
    await HealthMonitor(servicer, {"database": database.check}, 60).look()
    assert await status(servicer) == NOT_SERVING


async def test_a_change_is_logged_once_and_names_what_fails_without_its_secrets(caplog: pytest.LogCaptureFixture) -> None:
    database = Need()
    monitor = HealthMonitor(HealthServicer(NAMES), {"database": database.check}, 60)
    with caplog.at_level(logging.DEBUG):
        for works in (True, True, False, False, True):
            database.works = works
            await monitor.look()
    changes = [vars(record) for record in caplog.records if record.message == "Health changed."]
    assert [(line["serving"], line["failing"]) for line in changes] == [(True, []), (False, ["database"]), (True, [])]
    assert "hunter2" not in caplog.text


async def test_a_server_that_ends_stays_not_serving_whatever_works() -> None:
    servicer = HealthServicer(NAMES)
    monitor = HealthMonitor(servicer, {}, 60)
    await monitor.look()
    await servicer.enter_graceful_shutdown()
    await monitor.look()
    assert await status(servicer) == NOT_SERVING

"""The other use cases against stand-ins."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

import services.quality.main  # noqa: F401 -- brings every error of the service into being
from services.common.egress import EgressPolicy
from services.common.errors import DependencyUnavailable, EgressDenied, QuotaExceeded
from services.common.ids import new_id
from services.common.testing.catalog import missing_from_catalog
from services.quality.app.bounded import Bounded
from services.quality.app.fire_schedules import FireSchedules
from services.quality.app.list_runs import ListRuns
from services.quality.app.other_sources import OtherSources
from services.quality.app.periodically import periodically
from services.quality.app.ports import Message, MessageKind, QueueContended
from services.quality.app.relay_outbox import RelayOutbox
from services.quality.app.validate_checks import ValidateChecks
from services.quality.app.work import Work
from services.quality.clients.egress import ConnectionEgress
from services.quality.domain.connection import PostgresConnection, SnowflakeConnection
from services.quality.domain.definition import ResolvedConnection
from services.quality.domain.kinds import KindChoice
from services.quality.domain.run import ClaimedRun, NewRun, RunFilter, RunKey, RunKind, RunTrigger
from services.quality.domain.scan import ValidatedChecks
from services.quality.domain.schedule import NewSchedule
from services.quality.rpc.errors import CATALOG
from services.quality.storage import rows
from tests.unit.quality.fake_schedules import FakeSchedules
from tests.unit.quality.fake_store import FakeStore
from tests.unit.quality.fakes import CONNECTION, OTHER_TENANT, TENANT, FakeEngine, FakeRegistry, OpenEgress
from tests.unit.quality.test_execute_run import EVENT


def test_every_error_of_quality_has_its_code_and_reason() -> None:
    assert missing_from_catalog(CATALOG, "services.quality") == []


async def queue(store: FakeStore, count: int) -> None:
    for _ in range(count):
        await store.enqueue(NewRun(new_id(), TENANT, new_id(), "a", (RunKind.QUALITY,), RunTrigger.API, "anna"), 100, EVENT)


async def test_pages_follow_each_other_until_the_last_has_no_next_key() -> None:
    store = FakeStore()
    await queue(store, 5)
    key: RunKey | None = None
    seen = []
    for expected in (2, 2, 1):
        page = await ListRuns(store).execute(TENANT, RunFilter(), 2, key)
        assert len(page.runs) == expected
        seen += [run.id for run in page.runs]
        key = page.next_key
    assert key is None
    assert len(set(seen)) == 5


@dataclass
class Executions:
    """Stands in for ExecuteRun: runs end when the test says so."""

    store: FakeStore
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    running: int = 0
    most: int = 0
    done: list[str] = field(default_factory=list)
    put_back: list[str] = field(default_factory=list)

    async def execute(self, run: ClaimedRun) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
            self.done.append(run.id)
        except asyncio.CancelledError:
            self.put_back.append(run.id)
            raise
        finally:
            self.running -= 1


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def worker(store: FakeStore, executions: Executions, places: int, grace: float, draining: asyncio.Event) -> Work:
    return Work(store, store, executions, places, grace, draining)  # type: ignore[arg-type]  # stands in for ExecuteRun


async def test_a_worker_takes_as_many_runs_as_it_has_places_and_then_the_next() -> None:
    store = FakeStore()
    await queue(store, 5)
    executions = Executions(store)
    task = asyncio.create_task(worker(store, executions, 2, 1, asyncio.Event()).run())
    await settled()
    assert executions.running == 2
    executions.gate.set()
    await settled()
    assert (len(executions.done), executions.most) == (5, 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_draining_worker_claims_no_more_and_lets_running_ones_end() -> None:
    store, draining = FakeStore(), asyncio.Event()
    await queue(store, 3)
    executions = Executions(store)
    task = asyncio.create_task(worker(store, executions, 1, 10, draining).run())
    await settled()
    draining.set()
    await settled()
    task.cancel()  # as the server does when its last call has ended: the scans keep their grace
    await settled()
    assert executions.running == 1
    executions.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (len(executions.done), executions.put_back) == (1, [])


async def test_a_run_longer_than_the_grace_is_put_back() -> None:
    store, draining = FakeStore(), asyncio.Event()
    await queue(store, 1)
    executions = Executions(store)
    task = asyncio.create_task(worker(store, executions, 1, 0.01, draining).run())
    await settled()
    draining.set()
    await task
    assert (len(executions.put_back), executions.done) == (1, [])


@dataclass
class BusyStore(FakeStore):
    """A store that others claim from, or that is away, at first."""

    troubles: list[Exception] = field(default_factory=list)

    async def claim(self) -> ClaimedRun | None:
        if self.troubles:
            raise self.troubles.pop()
        return await super().claim()


async def test_contention_and_outages_delay_a_claim_and_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.quality.app.work._OUTAGE_PAUSE_SECONDS", 0.001)
    store = BusyStore(troubles=[QueueContended(), DependencyUnavailable(), QueueContended()])
    await queue(store, 1)
    executions = Executions(store)
    executions.gate.set()
    task = asyncio.create_task(worker(store, executions, 1, 1, asyncio.Event()).run())
    async with asyncio.timeout(5):
        while not executions.done:  # noqa: ASYNC110 -- the stand-in sets no event
            await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_missed_times_make_one_run_and_the_next_time_lies_ahead() -> None:
    noon = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
    store = FakeStore(now=lambda: noon)
    schedules = FakeSchedules(store)
    due = NewSchedule(TENANT, new_id(), "a", "*/5 * * * *", "UTC", False, (), noon - timedelta(hours=6))
    await schedules.set(due, None, EVENT)
    fire = FireSchedules(schedules, KindChoice(drift_available=True), store.now, new_id)
    assert [await fire.execute(), await fire.execute()] == [1, 0]
    (run,) = await store.list(TENANT, RunFilter(), 10, None)
    assert (run.trigger, run.kinds) == (RunTrigger.SCHEDULE, (RunKind.QUALITY, RunKind.DRIFT))
    left = await schedules.get(TENANT, due.dataset_id)
    assert left is not None
    assert (left.last_run_time, left.next_run_time) == (due.next_run_time, noon + timedelta(minutes=5))


async def test_a_schedule_that_cannot_fire_any_more_switches_itself_off_with_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    store = FakeStore()
    schedules = FakeSchedules(store)
    gone = NewSchedule(TENANT, new_id(), "a", "* * * * *", "Europe/Atlantis", False, (), store.now() - timedelta(minutes=1))
    await schedules.set(gone, None, EVENT)
    assert await FireSchedules(schedules, KindChoice(drift_available=False), store.now, new_id).execute() == 1
    left = await schedules.get(TENANT, gone.dataset_id)
    assert left is not None
    assert left.paused
    assert "schedule switched off: it cannot fire any more" in caplog.messages


@dataclass
class Receiver:
    """A relay that keeps what it was given, or is away."""

    away: bool = False
    received: list[str] = field(default_factory=list)

    async def deliver(self, messages: list[Message]) -> None:
        if self.away:
            raise DependencyUnavailable
        self.received += [message.id for message in messages]


async def test_messages_stay_until_their_receiver_has_them() -> None:
    store, receiver = FakeStore(), Receiver(away=True)
    await queue(store, 2)
    relay = RelayOutbox(store, {MessageKind.AUDIT: receiver})  # type: ignore[dict-item]  # takes any sequence
    await relay.execute()
    assert len(await store.take(MessageKind.AUDIT, 10)) == 2
    receiver.away = False
    await relay.execute()
    assert len(receiver.received) == 2
    assert await store.take(MessageKind.AUDIT, 10) == []


async def test_one_tenant_cannot_take_all_places_and_is_told_so() -> None:
    bounded = Bounded("previews", at_once=2, per_tenant=1)
    async with bounded.place(TENANT):
        with pytest.raises(QuotaExceeded) as refused:
            async with bounded.place(TENANT):
                pytest.fail("a second place was given")
        async with bounded.place(OTHER_TENANT):
            assert refused.value.metadata == {"quota": "previews"}
    async with bounded.place(TENANT):
        assert True


async def test_a_text_over_the_limit_is_refused_before_it_is_parsed() -> None:
    engine = FakeEngine(validated=ValidatedChecks((), (), "parsed", (), (), ()))
    validate = ValidateChecks(engine, Bounded("validations", 1, 1))
    assert (await validate.execute(TENANT, "#" * 256 * 1024)).canonical_yaml == "parsed"
    found = await validate.execute(TENANT, "é" * 128 * 1024 + "#")
    assert not found.valid
    assert "at most 256 KiB" in found.problems[0].message


@dataclass
class CountingEngine(FakeEngine):
    """An engine that counts how often it parses."""

    parsed: int = 0

    async def validate(self, text: str) -> ValidatedChecks:
        self.parsed += 1
        return self.validated


async def test_a_text_is_parsed_for_other_sources_once_and_only_if_it_may_name_one() -> None:
    engine = CountingEngine(validated=ValidatedChecks((), (), "", ("other",), (), ()))
    registry = FakeRegistry(connections={(TENANT, "other"): CONNECTION})
    sources = OtherSources(registry, engine, OpenEgress())
    assert await sources.execute(TENANT, "checks for a:\n- row_count > 0\n") == {}
    for _ in range(3):
        assert await sources.execute(TENANT, "checks for a:\n- row_count same as b in other\n") == {"other": CONNECTION.spec}
    assert engine.parsed == 1


async def test_a_background_task_survives_what_goes_wrong_in_it(caplog: pytest.LogCaptureFixture) -> None:
    outcomes: list[Exception | None] = [DependencyUnavailable(), RuntimeError("boom"), None]
    seen = asyncio.Event()

    async def action() -> None:
        if not outcomes:
            seen.set()
            return
        if error := outcomes.pop(0):
            raise error

    task = asyncio.create_task(periodically("test", 0, action))
    async with asyncio.timeout(5):
        await seen.wait()
    task.cancel()
    assert ["waits for a dependency" in caplog.messages[0], "failed" in caplog.messages[1]] == [True, True]


@pytest.mark.parametrize(
    ("spec", "refused"),
    [
        (PostgresConnection("127.0.0.1", 5432, "d", "s", "u", "require"), "postgres.host"),
        (SnowflakeConnection("acc", "u", "", "d", "s", "", "169.254.169.254", 0, "http"), "snowflake.host"),
        (SnowflakeConnection("acc", "u", "", "d", "s", "", "", 0, "https"), ""),
        (PostgresConnection("93.184.216.34", 5432, "d", "s", "u", "require"), ""),
    ],
)
async def test_addresses_are_judged_right_before_a_scan(spec: PostgresConnection | SnowflakeConnection, refused: str) -> None:
    egress = ConnectionEgress(EgressPolicy())
    connection = ResolvedConnection("c", "warehouse", "1", spec)
    if not refused:
        assert await egress.check(connection) is None  # type: ignore[func-returns-value]
        return
    with pytest.raises(EgressDenied) as denied:
        await egress.check(connection)
    assert denied.value.metadata["field"] == refused


@pytest.mark.parametrize(("text", "kept"), [("a\0b", "a�b"), ("\ud800", "?"), ("o'brien 🦆", "o'brien 🦆")])
def test_text_that_postgres_does_not_take_is_made_fit_for_it(text: str, kept: str) -> None:
    assert rows.clean(text) == kept
    assert rows.to_json({"k": [text]}).encode()

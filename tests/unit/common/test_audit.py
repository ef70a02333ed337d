from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from services.common.audit import BATCH_LIMIT, AuditEvent, BufferedAuditSink, Outcome
from services.common.auth.api_keys import CachedApiKeys, NoApiKeys
from services.common.auth.principal import Principal, PrincipalKind
from services.common.errors import DependencyUnavailable


def event(number: int) -> AuditEvent:
    return AuditEvent(f"registry.Do{number}", "ann", Outcome.DENIED)


class Trail:
    """Receives batches; refuses while `broken`."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.broken = False
        self.attempts = 0

    async def send(self, events: Sequence[AuditEvent]) -> None:
        self.attempts += 1
        if self.broken:
            raise ConnectionError
        self.batches.append([one.action for one in events])

    @property
    def actions(self) -> list[str]:
        return [action for batch in self.batches for action in batch]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for knows of no event
            await asyncio.sleep(0.001)


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def test_events_arrive_in_order_and_in_batches() -> None:
    trail = Trail()
    sink = BufferedAuditSink(trail.send)
    for number in range(BATCH_LIMIT + 5):
        await sink.denied(event(number))
    task = asyncio.create_task(sink.run())
    await until(lambda: len(trail.actions) == BATCH_LIMIT + 5)
    assert [len(batch) for batch in trail.batches] == [BATCH_LIMIT, 5]
    assert trail.actions == [f"registry.Do{number}" for number in range(BATCH_LIMIT + 5)]
    await stop(task)


async def test_events_wait_while_the_trail_does_not_answer_and_keep_their_order() -> None:
    trail = Trail()
    trail.broken = True
    sink = BufferedAuditSink(trail.send, retry_seconds=0.01)
    task = asyncio.create_task(sink.run())
    await sink.denied(event(1))
    await until(lambda: trail.attempts >= 2)
    await sink.denied(event(2))
    trail.broken = False
    await until(lambda: len(trail.actions) == 2)
    assert (trail.actions, sink.dropped) == (["registry.Do1", "registry.Do2"], 0)
    await stop(task)


async def test_a_full_buffer_drops_the_oldest_and_counts_them() -> None:
    trail = Trail()
    sink = BufferedAuditSink(trail.send, capacity=3)
    for number in range(5):
        await sink.denied(event(number))
    task = asyncio.create_task(sink.run())
    await until(lambda: bool(trail.actions))
    assert (trail.actions, sink.dropped) == (["registry.Do2", "registry.Do3", "registry.Do4"], 2)
    await stop(task)


async def test_what_waits_at_the_end_is_sent() -> None:
    trail = Trail()
    sink = BufferedAuditSink(trail.send, retry_seconds=0.01)
    trail.broken = True
    task = asyncio.create_task(sink.run())
    await sink.denied(event(1))
    await until(lambda: trail.attempts >= 1)
    trail.broken = False
    await stop(task)
    assert (trail.actions, sink.dropped) == (["registry.Do1"], 0)


async def test_what_cannot_be_sent_at_the_end_is_counted() -> None:
    trail = Trail()
    trail.broken = True
    sink = BufferedAuditSink(trail.send, retry_seconds=0.01)
    task = asyncio.create_task(sink.run())
    sink.record(event(1))
    await until(lambda: trail.attempts >= 1)
    await stop(task)
    assert sink.dropped == 1


ANN = Principal("api_key:1", PrincipalKind.API_KEY, frozenset({"viewer"}), "t")


class Authority:
    """Knows the keys in `good`, and counts how often it is asked."""

    def __init__(self, *good: str) -> None:
        self.good = set(good)
        self.asked: list[str] = []
        self.broken = False

    async def authenticate(self, key: str) -> Principal | None:
        self.asked.append(key)
        if self.broken:
            raise DependencyUnavailable
        return ANN if key in self.good else None


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_bad_key_is_remembered_for_five_seconds_and_a_good_one_is_asked_for_each_time() -> None:
    authority, clock = Authority("good"), Clock()
    cached = CachedApiKeys(authority, monotonic=clock)
    for now in (0, 4, 6):
        clock.now = now
        assert await cached.authenticate("good") == ANN
        assert await cached.authenticate("bad") is None
    assert (authority.asked.count("good"), authority.asked.count("bad")) == (3, 2)


async def test_a_revoked_key_stops_working_at_once() -> None:
    authority = Authority("good")
    cached = CachedApiKeys(authority)
    assert await cached.authenticate("good") == ANN
    authority.good.clear()
    assert await cached.authenticate("good") is None


async def test_a_good_key_outlives_an_outage_of_thirty_seconds() -> None:
    authority, clock = Authority("good"), Clock()
    cached = CachedApiKeys(authority, monotonic=clock)
    assert await cached.authenticate("good") == ANN
    authority.broken = True
    clock.now = 29
    assert await cached.authenticate("good") == ANN
    clock.now = 31
    with pytest.raises(DependencyUnavailable):
        await cached.authenticate("good")


async def test_an_answer_that_could_not_be_had_is_not_remembered() -> None:
    authority = Authority("good")
    cached = CachedApiKeys(authority)
    authority.broken = True
    [result] = await asyncio.gather(cached.authenticate("good"), return_exceptions=True)
    authority.broken = False
    assert isinstance(result, DependencyUnavailable)
    assert await cached.authenticate("good") == ANN


async def test_guessed_keys_do_not_fill_the_memory_and_no_key_is_kept() -> None:
    cached = CachedApiKeys(Authority("good"), capacity=10)
    for number in range(100):
        await cached.authenticate(f"guess-{number}")
    await cached.authenticate("good")
    assert len(cached._known) == 10
    assert "good" not in repr(cached._known)


async def test_a_service_without_api_keys_knows_none() -> None:
    assert await NoApiKeys().authenticate("good") is None

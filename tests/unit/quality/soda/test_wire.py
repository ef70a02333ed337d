"""Messages between the service and its workers."""

from __future__ import annotations

import asyncio
import socket
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from services.quality.domain.connection import PostgresConnection, SnowflakeConnection
from services.quality.domain.scan import (
    CheckResult,
    CheckVerdict,
    FailedRows,
    HistoryQuery,
    Measurement,
    SamplePolicy,
    ScanOutcome,
    ScanRequest,
)
from services.quality.soda import channel
from services.quality.soda.canceller import Statements
from services.quality.soda.channel import AsyncChannel, BlockingChannel, ChannelClosed
from services.quality.soda.wire import WireError, decode, encode

SNOWFLAKE = SnowflakeConnection("a", "u", "w", "d", "s", "r", "h", 1, "http", ("x",), password="p")
POSTGRES = PostgresConnection("h", 5432, "d", "s", "u", "prefer", password="p")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
REQUEST = ScanRequest(
    "t",
    "ds",
    "r",
    1,
    "c",
    "1",
    SNOWFLAKE,
    "d",
    "s",
    "table",
    "checks",
    {"a": "b"},
    SamplePolicy(5, ("email",)),
    {"other": POSTGRES},
    10,
    5,
    NOW,
)
RESULT = CheckResult(
    "id", "name", "def", "t", "c", CheckVerdict.WARN, 1.5, "> 1", 3, "m", "q", 7, {"k": "v"}, FailedRows(("a",), (("1",), (None,)))
)
OUTCOME = ScanOutcome((RESULT,), (Measurement("m", "1", NOW),), 3, 0.5)


@pytest.mark.parametrize("value", [REQUEST, OUTCOME, HistoryQuery("m", 5, NOW, True), HistoryQuery("m")])
def test_values_come_back_equal(value: Any) -> None:
    assert decode(type(value), encode(value)) == value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (HistoryQuery, {"metric_identity": 5}),
        (HistoryQuery, {"metric_identity": "m", "more": 1}),
        (HistoryQuery, {}),
        (HistoryQuery, []),
        (HistoryQuery, {"metric_identity": "m", "limit": True}),
        (HistoryQuery, {"metric_identity": "m", "before": "yesterday"}),
        (ScanOutcome, {"checks": {}, "measurements": [], "statements": 1, "warehouse_seconds": 1}),
        (ScanRequest, {**encode(REQUEST), "connection": {"kind": "oracle"}}),
        (ScanOutcome, {**encode(OUTCOME), "checks": [{**encode(RESULT), "verdict": "GREAT"}]}),
    ],
)
def test_wrong_shapes_are_refused(kind: type, value: Any) -> None:
    with pytest.raises(WireError):
        decode(kind, value)


def test_a_message_survives_both_ends() -> None:
    ours, theirs = socket.socketpair()

    async def exchange() -> dict[str, Any]:
        service = await AsyncChannel.over(ours)
        await service.send({"text": "\ud800 🙂" * 1000})
        answer = await service.receive()
        assert service.is_open()
        service.close()
        await asyncio.sleep(0)
        return answer

    def echo() -> None:
        worker = BlockingChannel(theirs)
        worker.send(worker.receive())

    thread = threading.Thread(target=echo)
    thread.start()
    assert asyncio.run(exchange()) == {"text": "\ud800 🙂" * 1000}
    thread.join()
    theirs.close()


@pytest.mark.parametrize("data", [b"", b"\x00\x00", b"\xff\xff\xff\xff", b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x03not"])
def test_anything_but_a_message_closes_the_channel(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(data)
    theirs.close()
    with pytest.raises(ChannelClosed):
        BlockingChannel(ours).receive()
    ours.close()


def test_a_message_that_is_too_large_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "MAX_MESSAGE", 100)
    ours, theirs = socket.socketpair()
    with pytest.raises(ValueError, match="at most 100"):
        BlockingChannel(ours).send({"text": "x" * 100})
    ours.close()
    theirs.close()


def test_secrets_do_not_show() -> None:
    assert "'p'" not in repr(REQUEST)


async def test_only_statements_that_still_run_are_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    aborted: list[tuple[str, str, str]] = []
    monkeypatch.setattr("services.quality.soda.canceller._abort", lambda *arguments: aborted.append(arguments))
    statements = Statements()
    for event in (
        {"session": "s1", "url": "http://h:1", "token": "t"},
        {"session": "s1", "started": "r1"},
        {"session": "s1", "started": "r2"},
        {"session": "s1", "ended": "r1"},
        {"session": "unknown", "started": "r3"},
    ):
        statements.note(event)
    await statements.abort()
    await statements.abort()
    assert aborted == [("http://h:1", "t", "r2")]

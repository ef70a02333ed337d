"""Fusing, splitting and never losing a neighbour, with a warehouse that is a function."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.quality.domain.scan import ScanFailure
from services.quality.soda.guard import Scope
from services.quality.soda.session import Limits, Rows, StatementFailed, WarehouseLost
from services.quality.soda.session_pool import SessionPool
from services.quality.soda.statements import Runner, fused_sql
from services.quality.soda.tasks import Aggregates, Count, Listing, Work

SCOPE = Scope("snowflake", "D", "S", frozenset({("D", "S")}))
Answer = Callable[[str], list[tuple[object, ...]]]


@dataclass(eq=False)
class Metric:
    name: str
    value: object = None

    def set_value(self, value: object) -> None:
        self.value = value


@dataclass
class FakeSession:
    """Answers each statement by a function; numbers come back as their own column number."""

    answer: Answer
    sent: list[str] = field(default_factory=list)
    scope: Scope = SCOPE
    closed: bool = False

    def run(self, sql: str, limits: Limits, row_cap: int) -> Rows:
        self.sent.append(sql)
        return Rows((), self.answer(sql), False)

    def cancel(self) -> None:
        self.sent.append("cancel")

    def healthy(self) -> bool:
        return not self.closed

    def close(self) -> None:
        self.closed = True


class FakePool(SessionPool):
    def __init__(self, answer: Answer) -> None:
        super().__init__(None, SCOPE, lambda event: None)  # type: ignore[arg-type]
        self.session = FakeSession(answer)
        self._idle = [self.session]


def columns_of(sql: str) -> list[tuple[object, ...]]:
    """The number of each `AS Cn` of a statement, in order."""
    return [tuple(int(number) for number in re.findall(r"AS C(\d+)", sql))]


def _run(answer: Answer, work: Work) -> tuple[Runner, FakePool]:
    pool = FakePool(answer)
    with ThreadPoolExecutor(1) as threads:
        runner = Runner(Limits("{}", time.monotonic() + 60, 60), threads)
        runner.run([(pool, work)])
    return runner, pool


def _aggregates(*names: str, table: str = "T") -> Aggregates:
    return Aggregates(table, "", tuple((f"MAX({name})", Metric(name)) for name in names))


def _values(part: Aggregates) -> list[Any]:
    return [metric.value for metric in part.metrics()]


def test_one_row_queries_go_out_as_one_statement_with_unique_columns() -> None:
    first, second, count = _aggregates("a", "b"), _aggregates("c", table="U"), Count("(SELECT 1 AS ONE) X", Metric("n"))
    _, pool = _run(columns_of, Work([first, second, count], []))
    assert len(pool.session.sent) == 1
    assert (_values(first), _values(second), count.metric.value) == ([0, 1], [2], 3)


def test_a_comment_at_the_end_of_a_condition_does_not_swallow_the_rest() -> None:
    part = Aggregates("T", "a = 1 -- only ones", (("COUNT(*)", Metric("n")),))
    assert fused_sql([part, part]).count("\n)") == 4


@pytest.mark.parametrize("bad", range(7))
@pytest.mark.parametrize("named", [True, False])
def test_one_bad_expression_fails_alone(bad: int, named: bool) -> None:
    names = [f"col_{number}" for number in range(7)]

    def answer(sql: str) -> list[tuple[object, ...]]:
        if f"col_{bad})" in sql:
            raise StatementFailed("sql", f"invalid identifier '{names[bad].upper()}'" if named else "something is wrong")
        return columns_of(sql)

    first, second = _aggregates(*names), _aggregates("other", table="U")
    runner, pool = _run(answer, Work([first, second], []))
    failed = [id(metric) in runner.measured.failures for metric in first.metrics()]
    assert failed == [number == bad for number in range(7)]
    assert all(metric.value is not None for number, metric in enumerate(first.metrics()) if number != bad)
    assert second.metrics()[0].value is not None
    assert len(pool.session.sent) <= (5 if named else 9)


def test_a_slow_query_is_waited_for_twice_and_no_more() -> None:
    def answer(sql: str) -> list[tuple[object, ...]]:
        if "slow" in sql:
            raise StatementFailed("timeout", "too slow")
        return columns_of(sql)

    slow = Count("(SELECT * FROM slow) FAILED_ROWS", Metric("n"))
    quick = [_aggregates(name, table=name) for name in "abcdefgh"]
    runner, pool = _run(answer, Work([*quick[:4], slow, *quick[4:]], []))
    assert sum("slow" in sql for sql in pool.session.sent) == 2
    assert list(runner.measured.failures) == [id(slow.metric)]
    assert all(part.metrics()[0].value is not None for part in quick)


def test_an_expression_that_adds_a_column_does_not_shift_its_neighbours() -> None:
    def answer(sql: str) -> list[tuple[object, ...]]:
        row = columns_of(sql)[0]
        return [(*row, 99)] if "sneaky" in sql else [row]

    part = _aggregates("a", "sneaky", "b", "c")
    runner, _ = _run(answer, Work([part], []))
    assert [id(metric) in runner.measured.failures for metric in part.metrics()] == [False, True, False, False]


def test_a_refused_statement_never_reaches_the_warehouse() -> None:
    part = Aggregates("T", "", (("MAX(a)", Metric("a")), ("(SELECT MAX(x) FROM secret.t)", Metric("b"))))
    runner, pool = _run(columns_of, Work([part], []))
    assert not any("secret" in sql for sql in pool.session.sent)
    failure = runner.measured.failures[id(part.metrics()[1])]
    assert (failure.kind, part.metrics()[0].value) == ("refused", 0)


def test_a_lost_warehouse_ends_the_scan() -> None:
    def answer(sql: str) -> list[tuple[object, ...]]:
        raise WarehouseLost(ScanFailure.WAREHOUSE_UNREACHABLE, "gone")

    pool = FakePool(answer)
    pool._take = lambda: pool.session  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as threads, pytest.raises(WarehouseLost):
        Runner(Limits("{}", time.monotonic() + 60, 60), threads).run([(pool, Work([_aggregates("a")], []))])


def test_a_listing_that_cannot_be_read_fails_alone() -> None:
    def read(rows: Rows) -> object:
        raise StatementFailed("sql", "not a number")

    listing, part = Listing("SELECT 1", Metric("own"), 1, read), _aggregates("a")
    runner, _ = _run(columns_of, Work([part], [listing]))
    assert id(listing.metric) in runner.measured.failures
    assert part.metrics()[0].value == 0


def test_time_that_is_over_sends_nothing() -> None:
    limits = Limits("{}", time.monotonic() - 1, 60)
    with pytest.raises(StatementFailed, match="time was over"):
        limits.seconds_left()

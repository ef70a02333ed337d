# ruff: noqa: S608 (the SQL is built here; the guard judges it before it is sent)
"""Sends what a scan has to measure: fused where that is possible, parallel where not, split where something is wrong.

One statement per group of one-row queries (a cross join of one-row subqueries) answers them in one round trip. When it
fails, it is taken apart until each expression that is at fault stands alone; all others still get their value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from services.quality.soda.session import Limits, Rows, StatementFailed
from services.quality.soda.session_pool import SessionPool
from services.quality.soda.tasks import Aggregates, Listing, OneRow, Work

FUSED_PARTS = 12
"""One-row queries of one statement: more make plans that optimizers spend long on."""


@dataclass(slots=True)
class Measured:
    """What was measured, by identity of the metric."""

    failures: dict[int, StatementFailed] = field(default_factory=dict)
    queries: dict[int, str] = field(default_factory=dict)

    def failed(self, metric: Any, failure: StatementFailed) -> None:
        self.failures[id(metric)] = failure


class Runner:
    """Runs the work of one scan with a few threads."""

    def __init__(self, limits: Limits, threads: ThreadPoolExecutor) -> None:
        self._limits = limits
        self._threads = threads
        self.measured = Measured()

    def run(self, jobs: Sequence[tuple[SessionPool, Work]]) -> Measured:
        """Measure everything; a failed expression marks its metric. Raises WarehouseLost when no statement can be sent."""
        futures: list[Future[None]] = []
        for pool, work in jobs:
            groups = (work.one_row[at : at + FUSED_PARTS] for at in range(0, len(work.one_row), FUSED_PARTS))
            futures.extend(self._threads.submit(self._one_row, pool, group) for group in groups)
            futures.extend(self._threads.submit(self._listing, pool, listing) for listing in work.listings)
        _, pending = wait(futures, return_when=FIRST_EXCEPTION)
        for future in pending:
            future.cancel()
        wait(futures)
        for future in futures:
            if not future.cancelled():
                future.result()
        return self.measured

    def rows(self, pool: SessionPool, sql: str, cap: int, *, internal: bool = False) -> Rows:
        """One statement outside the plan: samples, metadata for messages. Raises StatementFailed or WarehouseLost."""
        return pool.execute(sql, self._limits, row_cap=cap, internal=internal)

    def _listing(self, pool: SessionPool, listing: Listing) -> None:
        self.measured.queries[id(listing.metric)] = listing.sql
        try:
            rows = self.rows(pool, listing.sql, listing.cap, internal=listing.internal)
            listing.metric.set_value(listing.read(rows))
        except StatementFailed as failure:
            self.measured.failed(listing.metric, failure)

    def _one_row(self, pool: SessionPool, parts: list[OneRow]) -> None:
        try:
            values = self._values(pool, parts)
        except StatementFailed as failure:
            self._take_apart(pool, parts, failure)
            return
        at = 0
        for part in parts:
            self._store(part, values[at : at + part.width])
            at += part.width

    def _values(self, pool: SessionPool, parts: list[OneRow]) -> tuple[object, ...]:
        rows = self.rows(pool, fused_sql(parts), 1)
        expected = sum(part.width for part in parts)
        if len(rows.rows) != 1 or rows.truncated or len(rows.rows[0]) != expected:
            raise StatementFailed("refused", "A condition changes the shape of the statement; write one condition without extra columns.")
        return rows.rows[0]

    def _store(self, part: OneRow, values: Sequence[object]) -> None:
        for metric, value in zip(part.metrics(), values, strict=True):
            try:
                metric.set_value(value)
            except (TypeError, ValueError, OverflowError):
                self.measured.failed(metric, StatementFailed("sql", "The value is not a number."))
        if isinstance(part, Aggregates):
            for cell in part.cells:
                self.measured.queries[id(cell[1])] = Aggregates(part.table, part.where, (cell,)).sql()
        else:
            self.measured.queries[id(part.metric)] = part.sql()

    def _take_apart(self, pool: SessionPool, parts: list[OneRow], failure: StatementFailed) -> None:
        if failure.kind == "timeout" and len(parts) == 1:
            self._fail(parts[0], failure)
        elif failure.kind == "timeout":
            # Halving would wait out the timeout again at each step: alone, only the slow ones do.
            for part in parts:
                self._one_row(pool, [part])
        elif len(parts) > 1:
            for group in _halves(parts, failure):
                self._one_row(pool, group)
        elif isinstance(parts[0], Aggregates) and parts[0].width > 1:
            for half in parts[0].split(_suspects(parts[0], failure)):
                self._one_row(pool, [half])
        else:
            self._fail(parts[0], failure)

    def _fail(self, part: OneRow, failure: StatementFailed) -> None:
        for metric in part.metrics():
            self.measured.failed(metric, failure)
        if isinstance(part, Aggregates):
            for cell in part.cells:
                self.measured.queries[id(cell[1])] = Aggregates(part.table, part.where, (cell,)).sql()
        else:
            self.measured.queries[id(part.metric)] = part.sql()


def fused_sql(parts: Sequence[OneRow]) -> str:
    """One statement for several one-row queries; a single one stays as it is."""
    if len(parts) == 1:
        return parts[0].sql()
    first, queries = 0, []
    for at, part in enumerate(parts):
        queries.append(f"({part.sql(first)}\n) Q{at}")
        first += part.width
    return "SELECT * FROM " + "\nCROSS JOIN ".join(queries)


def _names_in(failure: StatementFailed) -> list[str]:
    """Names that the warehouse's message puts in quotes: the column or table it did not find."""
    quoted = re.findall(r"""["'`]([^"'`]{1,255})["'`]""", failure.message)
    return [part for name in quoted for part in (name, name.rsplit(".", 1)[-1]) if len(part) > 1]


def _mentions(sql: str, names: list[str]) -> bool:
    return any(re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", sql, re.IGNORECASE) for name in names)


def _halves(parts: list[OneRow], failure: StatementFailed) -> list[list[OneRow]]:
    names = _names_in(failure)
    suspects = [part for part in parts if _mentions(part.sql(), names)]
    if 0 < len(suspects) < len(parts):
        return [[part for part in parts if part not in suspects], suspects]
    middle = len(parts) // 2
    return [parts[:middle], parts[middle:]]


def _suspects(part: Aggregates, failure: StatementFailed) -> set[int]:
    """Cells named by the message, or the first half when that tells nothing."""
    names = _names_in(failure)
    named = {at for at, (expression, _) in enumerate(part.cells) if _mentions(expression, names)}
    return named if 0 < len(named) < part.width else set(range(part.width // 2))

"""Failed rows: off by default, counted and not fetched whole, and never more columns than allowed."""

from __future__ import annotations

import pytest

from services.quality.domain.scan import CheckVerdict, SamplePolicy
from tests.integration.quality.soda.scanning import Scanner
from tests.support.warehouse import Warehouse

pytestmark = [pytest.mark.asyncio(loop_scope="session")]

SUITE = """
checks for customers:
  - missing_count(email) = 0
  - invalid_count(country) = 0:
      valid values: [DE, FR, IT]
  - duplicate_count(id) = 0
  - failed rows:
      fail condition: total > 25
  - failed rows:
      fail query: SELECT * FROM customers WHERE total > 25
  - missing_percent(email) < 5
  - row_count > 0
checks for orders:
  - values in (customer_id) must exist in customers (id)
"""
KEYS = [["3"], ["4"], ["4", "4"], ["3", "4"], ["3", "4"], ["3"], None, ["3"]]
"""The ids of the rows that break each check of the suite."""


def _ids(rows: tuple[tuple[str | None, ...], ...]) -> list[str | None]:
    return sorted((row[0] for row in rows), key=str)


async def test_the_rows_that_break_a_check_are_kept(either_shop: Scanner) -> None:
    results = await either_shop.scan(SUITE, samples=SamplePolicy(limit=10))
    assert [result.samples and _ids(result.samples.rows) for result in results] == KEYS


async def test_no_statement_fetches_rows_by_default(shop: Scanner, warehouse: Warehouse) -> None:
    before = len(warehouse.emulator.statements())
    results = await shop.scan(SUITE)
    assert all(result.samples is None for result in results)
    sent = [entry.sql for entry in warehouse.emulator.statements()[before:]]
    assert all("COUNT(" in sql for sql in sent), sent


async def test_excluded_columns_are_not_in_the_statement(either_shop: Scanner) -> None:
    results = await either_shop.scan(SUITE, samples=SamplePolicy(limit=10, excluded_columns=("EMAIL", "share")))
    kept = [result.samples for result in results if result.samples]
    assert len(kept) == 7
    assert not any("email" in (column.casefold() for column in sample.columns) for sample in kept)


async def test_excluded_columns_are_never_asked_for(shop: Scanner, warehouse: Warehouse) -> None:
    before = len(warehouse.emulator.statements())
    await shop.scan(SUITE, samples=SamplePolicy(limit=10, excluded_columns=("email",)))
    sent = [entry.sql for entry in warehouse.emulator.statements()[before:] if "LIMIT" in entry.sql]
    assert sent
    assert not any('"EMAIL"' in sql or "SOURCE.*" in sql for sql in sent)


async def test_limits_hold_and_a_check_may_ask_for_less(shop: Scanner) -> None:
    text = "checks for customers:\n  - failed rows:\n      fail condition: id > 0\n      samples limit: {}\n"
    results = [(await shop.scan(text.format(limit), samples=SamplePolicy(limit=3)))[0] for limit in (2, 3, 100)]
    assert [len(result.samples.rows) for result in results if result.samples] == [2, 3, 3]
    none = (await shop.scan(text.format(0), samples=SamplePolicy(limit=3)))[0]
    assert (none.samples, none.failed_rows_count) == (None, 5)


async def test_long_values_are_cut(shop: Scanner, warehouse: Warehouse) -> None:
    warehouse.execute("CREATE TABLE wide (id INT, t VARCHAR)", "INSERT INTO wide SELECT 1, REPEAT('x', 5000)")
    result = (await shop.scan("checks for wide:\n  - failed rows:\n      fail condition: id = 1\n", samples=SamplePolicy(limit=1)))[0]
    assert result.verdict is CheckVerdict.FAIL
    assert result.samples is not None
    (row,) = result.samples.rows
    assert row[1] == "x" * 199 + "…"

"""The engine's verdicts beside those of Soda Core as it ships, on the same data: equal wherever Soda judges at all.

Stock Soda runs in a process of its own, because the engine's patches would change it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import snowflake.connector

from bench.quality import workload
from bench.quality.peers import Stock
from chalkandduster.local.emulator import EmulatorProcess
from services.quality.domain.history import NoHistory
from services.quality.domain.scan import CheckResult
from services.quality.soda.engine import SodaEngine
from tests.integration.quality.soda.family_cases import AGGREGATES, DUPLICATES, INVALID, MISSING, OWN_SQL, REFERENCES, ROWS, Case
from tests.integration.quality.soda.scanning import SHOP, Scanner, snowflake_spec
from tests.support.warehouse import Warehouse

pytestmark = [pytest.mark.asyncio(loop_scope="module")]

_SODA_IS_WRONG = {
    # A quote in a value breaks stock Soda's SQL, and with it every aggregate of the table.
    "it's",
    # Metrics that differ only in these share one value in stock Soda.
    "invalid values",
    "invalid regex",
    "invalid_count(country) = 0:\n  valid regex: '(?:DE|FR)'",
    # Not a number: stock Soda logs an error and leaves the check out.
    "min(created)",
    # A percentage of no rows is 0 in stock Soda, and passes.
    "missing_percent(amount)",
    # The lexer takes d for a unit of time.
    "max(d)",
    "duplicate_count(id, d)",
    "customers (id, d)",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> Any:
    running = SodaEngine()
    await running.start()
    yield running
    await running.close()


@pytest.fixture(scope="module")
def place(emulator: EmulatorProcess) -> Iterator[Warehouse]:
    warehouse = Warehouse(emulator, f"C_{uuid.uuid4().hex[:12].upper()}")
    with closing(snowflake.connector.connect(**emulator.connect_args)) as connection:
        connection.cursor().execute(f"CREATE SCHEMA {warehouse.schema}")
        warehouse.execute(*SHOP, *workload.statements(2_000))
        yield warehouse
        connection.cursor().execute(f"DROP SCHEMA {warehouse.schema}")


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[Stock]:
    with Stock(tmp_path) as running:
        yield running


def _agreed(case: Case) -> bool:
    return not any(words in case.check for words in _SODA_IS_WRONG)


def _by_line(results: tuple[CheckResult, ...]) -> dict[int, str]:
    return {result.line: result.verdict.value for result in results}


async def _both(engine: SodaEngine, place: Warehouse, stock: Stock, checks: str) -> tuple[dict[int, str], dict[int, str]]:
    scanner = Scanner(engine, snowflake_spec(place))
    ours = await engine.scan(scanner.request(checks, data_time=None), NoHistory())
    names = ("user", "password", "account", "database", "schema", "host", "port")
    theirs = stock.scan({name: place.connect_args[name] for name in names}, checks)
    outcomes = {int(line): re.sub("^NONE$", "NOT_EVALUATED", outcome) for line, outcome in theirs["outcomes"].items()}
    return _by_line(ours.checks), outcomes


async def test_thirty_checks_of_the_benchmark_agree(engine: SodaEngine, place: Warehouse, stock: Stock) -> None:
    ours, theirs = await _both(engine, place, stock, workload.CHECKS)
    assert len(ours) == 30
    assert ours == theirs


async def test_families_agree_where_soda_judges_them(engine: SodaEngine, place: Warehouse, stock: Stock) -> None:
    cases = [case for case in [*ROWS, *MISSING, *INVALID, *DUPLICATES, *AGGREGATES, *REFERENCES, *OWN_SQL] if _agreed(case)]
    tables = list(dict.fromkeys(case.table for case in cases))
    sections = []
    for table in tables:
        items = ["  - " + "\n    ".join(case.check.strip().splitlines()) for case in cases if case.table == table]
        sections.append(f"checks for {table}:\n" + "\n".join(items) + "\n")
    ours, theirs = await _both(engine, place, stock, "".join(sections))
    assert len(ours) == len(cases)
    different = {line: (verdict, theirs.get(line)) for line, verdict in ours.items() if theirs.get(line) != verdict}
    assert different == {}

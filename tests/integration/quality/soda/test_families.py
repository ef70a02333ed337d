"""Every family of checks, on both warehouses, through the engine and the real connectors."""

from __future__ import annotations

import pytest

from services.quality.domain.scan import CheckResult
from tests.integration.quality.soda.family_cases import FAMILIES, Case
from tests.integration.quality.soda.scanning import Scanner

pytestmark = [pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("case", FAMILIES, ids=lambda case: case.id)
async def test_family_on_snowflake(shop: Scanner, case: Case) -> None:
    _assert_case(await shop.one(case.check, table=case.table), case)


@pytest.mark.parametrize("case", FAMILIES, ids=lambda case: case.id)
async def test_family_on_postgres(postgres_shop: Scanner, case: Case) -> None:
    _assert_case(await postgres_shop.one(case.check, table=case.table), case)


async def test_all_families_in_one_suite_keep_their_verdicts_on_snowflake(shop: Scanner) -> None:
    await _assert_whole_suite(shop)


async def test_all_families_in_one_suite_keep_their_verdicts_on_postgres(postgres_shop: Scanner) -> None:
    await _assert_whole_suite(postgres_shop)


async def _assert_whole_suite(scanner: Scanner) -> None:
    tables = list(dict.fromkeys(case.table for case in FAMILIES))
    ordered = [case for table in tables for case in FAMILIES if case.table == table]
    text = "".join(_section(table, [case for case in ordered if case.table == table]) for table in tables)
    outcome = await scanner.outcome(text)
    assert len(outcome.checks) == len(ordered)
    for result, case in zip(outcome.checks, ordered, strict=True):
        _assert_case(result, case)
    assert outcome.statements < len(ordered) / 2


def _section(table: str, cases: list[Case]) -> str:
    items = ["  - " + "\n    ".join(case.check.strip().splitlines()) for case in cases]
    return f"checks for {table}:\n" + "\n".join(items) + "\n"


def _assert_case(result: CheckResult, case: Case) -> None:
    assert result.verdict.value == case.verdict, (case.check, result.message)
    assert (result.measured_value is None) == (case.value is None), result
    if case.value is not None:
        assert result.measured_value == pytest.approx(case.value, rel=1e-6)
    assert result.failed_rows_count == case.failed_rows
    assert (result.message == "") == (case.verdict == "PASS")
    assert result.query.startswith("SELECT")

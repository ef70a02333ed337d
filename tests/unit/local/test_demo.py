"""The demo's data, the starter checks, and the line that sums a run up."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from chalkandduster.demo import flow, load, retail
from chalkandduster.local.emulator import LoadedColumn, LoadedTable
from chalkandduster.local.supervisor import SuiteError


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, str]]]:
    files = retail.write_tables(tmp_path_factory.mktemp("retail"))
    return {name: list(csv.DictReader(file.read_text(encoding="utf-8").splitlines())) for name, file in files.items()}


def test_the_data_is_the_same_each_time(tmp_path: Path) -> None:
    digests = [
        [hashlib.sha256(file.read_bytes()).hexdigest() for file in retail.write_tables(tmp_path / name).values()]
        for name in ("one", "other")
    ]
    assert digests[0] == digests[1]


def test_every_kind_of_flaw_is_in_the_data(tables: dict[str, list[dict[str, str]]]) -> None:
    customers, orders, payments = (tables[name] for name in ("customers", "orders", "payments"))
    known = {row["customer_id"] for row in customers}
    assert {
        "missing e-mail": sum(not row["email"] for row in customers) >= 63,
        "invalid e-mail": sum(" at " in row["email"] for row in customers) >= 41,
        "duplicate customers": len(customers) - len(known),
        "duplicate orders": len(orders) - len({row["order_id"] for row in orders}),
        "orphan orders": sum(row["customer_id"] not in known for row in orders) >= 25,
        "negative amounts": sum(float(row["amount"]) < 0 for row in orders) >= 18,
        "absurd amounts": sum(float(row["amount"]) >= 1_000_000 for row in orders) >= 3,
        "text among numbers": sum(row["discount"] == "10%" for row in orders) >= 40,
        "shipped too early": sum(bool(row["shipped_at"]) and row["shipped_at"] < row["ordered_at"] for row in orders) >= 34,
        "stale": max(row["updated_at"] for row in orders),
        "orphan payments": sum(int(row["order_id"]) > 5_000_000 for row in payments),
    } == {
        "missing e-mail": True,
        "invalid e-mail": True,
        "duplicate customers": 12,
        "duplicate orders": 7,
        "orphan orders": True,
        "negative amounts": True,
        "absurd amounts": True,
        "text among numbers": True,
        "shipped too early": True,
        "stale": "2026-06-30 22:15:00",
        "orphan payments": 15,
    }


def test_both_forms_of_checks_are_shown() -> None:
    forms = {file.stem: list(yaml.safe_load(file.read_text(encoding="utf-8"))) for file in flow.CHECKS.glob("*.yaml")}
    assert forms == {"customers": ["checks"], "orders": ["checks for orders"], "payments": ["checks for payments"]}


def _run(**changes: Any) -> dict[str, Any]:
    return {"id": "r-1", "state": "SUCCEEDED", "verdict": "FAIL", "check_counts": {"total": 14, "failed": 8}} | changes


def test_the_last_line_of_the_demo_is_the_promised_one() -> None:
    assert flow.summary(_run()) == "demo: run r-1 verdict FAIL, 8 of 14 checks failed"


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (_run(verdict="PASS", check_counts={"total": 14}), "verdict PASS: the flaws of the data set were not found"),
        (
            _run(state="ERRORED", verdict="ERROR", error={"message": "no warehouse"}),
            "ERRORED with the verdict ERROR: no warehouse",
        ),
        (_run(verdict=None, check_counts=None), "verdict none"),
    ],
)
def test_a_demo_that_finds_nothing_is_an_error(run: dict[str, Any], words: str) -> None:
    with pytest.raises(SuiteError, match=words):
        flow.summary(run)


def _table(*columns: LoadedColumn, rows: int = 100) -> LoadedTable:
    return LoadedTable("CHALK", "PUBLIC", "TRIPS", rows, columns)


def test_starter_checks_hold_a_table_to_what_it_looks_like() -> None:
    checks = yaml.safe_load(
        load.starter_checks(
            _table(
                LoadedColumn("ID", "NUMBER(38,0)", 0, 100),
                LoadedColumn("FARE", "FLOAT", 3, 97),
                LoadedColumn("NOTE", "VARCHAR(16777216)", 100, 0),
                LoadedColumn("SEEN", "TIMESTAMP_NTZ(9)", 0, 100),
            )
        )
    )["checks for TRIPS"]
    assert checks == [
        "row_count > 0",
        {
            "schema": {
                "name": "The columns are still there",
                "fail": {"when required column missing": ["ID", "FARE", "NOTE", "SEEN"]},
            }
        },
        "missing_count(ID) = 0",
        {"missing_percent(FARE)": {"warn": "when > 5%", "fail": "when > 50%"}},
        "missing_count(SEEN) = 0",
        "duplicate_count(ID) = 0",
    ]


def test_names_that_sql_or_sodacl_take_for_their_own_are_quoted() -> None:
    text = load.starter_checks(_table(LoadedColumn("ORDER", "NUMBER(38,0)", 0, 2), LoadedColumn("D", "DATE", 0, 2)))
    assert yaml.safe_load(text)["checks for TRIPS"][2:] == ['missing_count("ORDER") = 0', 'missing_count("D") = 0']


def test_an_empty_table_still_gets_a_check_that_fails() -> None:
    text = load.starter_checks(_table(LoadedColumn("ID", "NUMBER(38,0)", 0, 0), rows=0))
    assert yaml.safe_load(text)["checks for TRIPS"][0] == "row_count > 0"


@pytest.mark.parametrize(
    ("table", "name"), [("NYC_WEATHER", "nyc_weather"), ("_2024", "2024"), ("A$B", "a-b"), ("_", "table"), ("X" * 255, "x" * 200)]
)
def test_every_table_gives_its_dataset_a_name_that_the_registry_takes(table: str, name: str) -> None:
    assert load.dataset_name(table) == name

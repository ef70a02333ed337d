"""The SQL of profiles: what it asks, and what DuckDB answers to it on odd tables."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import duckdb
import pytest
import sqlglot

from services.drift.domain.profile import ColumnKind, Profile
from services.drift.profiling.decode import decode_profiles
from services.drift.profiling.dialects import DIALECTS, quote_identifier, quote_text
from services.drift.profiling.plan import ColumnPlan, Grain, ProfilePlan
from services.drift.profiling.statements import build_statements

N, T, D, B = ColumnKind.NUMBER, ColumnKind.TEXT, ColumnKind.TIME, ColumnKind.FLAG


def run(setup: str, plan: ProfilePlan, skip: Sequence[int] = ()) -> list[Profile]:
    with duckdb.connect() as connection:
        connection.execute(setup)
        answers: list[tuple[Any, Any]] = []
        for i, statement in enumerate(build_statements(plan, DIALECTS["duckdb"])):
            answers.append((statement, None if i in skip else connection.execute(statement.sql).fetchall()))
        return decode_profiles(plan, answers)


def plan(*columns: ColumnPlan, **more: Any) -> ProfilePlan:
    return ProfilePlan(**{"table": ("t",), "columns": columns, "as_of": "2024-03-01T00:00:00", **more})


def test_figures_of_a_number_column_are_those_of_its_rows() -> None:
    column = ColumnPlan("x", N, edges=(0.0, 2.0))
    profile = run("CREATE TABLE t AS SELECT unnest([-1.0, 0.0, 1.5, 2.0, 3.0, NULL]) AS x", plan(column, exact_distinct=True))[0]
    found = profile.columns[0]
    assert (profile.rows, found.nulls, found.distinct) == (6, 1, 5)
    assert (found.low, found.high) == (-1.0, 3.0)
    assert found.mean == pytest.approx(1.1)
    assert found.histogram == (2, 2, 1)
    assert (found.counts["negative"], found.counts["zero"], found.counts["integer"], found.counts["tenth"]) == (1, 1, 4, 5)


def test_figures_of_a_text_column_are_shares_lengths_and_frequent_values() -> None:
    setup = "CREATE TABLE t AS SELECT unnest(['12', '2024-01-31', 'AB', ' ab', '', 'AB', NULL]) AS x"
    found = run(setup, plan(ColumnPlan("x", T), exact_distinct=True))[0].columns[0]
    assert found.top[0] == ("AB", 2)
    assert {k: found.counts[k] for k in ("number", "date", "empty", "trimmed")} == {"number": 1, "date": 1, "empty": 1, "trimmed": 5}
    assert (found.low, found.high) == (0.0, 10.0)


def test_times_are_measured_from_the_start_of_their_partition() -> None:
    setup = "CREATE TABLE t AS SELECT TIMESTAMP '2024-03-01 05:00' AS d UNION ALL SELECT TIMESTAMP '2024-03-02 07:30'"
    first, second = run(setup, plan(ColumnPlan("d", D), partition_column="d", as_of=None))
    assert (first.partition, second.partition) == ("2024-03-01", "2024-03-02")
    assert first.columns[0].mean == 5 * 3600
    assert second.columns[0].hours[7] == 1
    assert second.newest == "2024-03-02T07:30:00"
    assert second.columns[0].counts["outside"] == 0


def test_backfill_of_many_partitions_asks_as_many_statements_as_one() -> None:
    setup = "CREATE TABLE t AS SELECT TIMESTAMP '2024-01-01' + INTERVAL (i) HOUR AS d, i % 7 AS x FROM range(2400) r(i)"
    wanted = plan(ColumnPlan("d", D), ColumnPlan("x", N), partition_column="d", as_of=None)
    assert len(build_statements(wanted, DIALECTS["duckdb"])) == 2
    profiles = run(setup, wanted)
    assert [p.rows for p in profiles] == [24] * 100
    bounded = run(setup, replace(wanted, start="2024-02-01T00:00:00", end="2024-02-03T00:00:00"))
    assert [p.partition for p in bounded] == ["2024-02-01", "2024-02-02"]


def test_empty_table_has_a_profile_of_no_partition() -> None:
    assert run("CREATE TABLE t (x DOUBLE)", plan(ColumnPlan("x", N))) == []


def test_one_row_has_no_deviation() -> None:
    found = run("CREATE TABLE t AS SELECT 4.0 AS x", plan(ColumnPlan("x", N, edges=(1.0,))))[0].columns[0]
    assert (found.low, found.high, found.stddev) == (4.0, 4.0, None)


def test_column_of_nulls_has_no_figures_and_says_so() -> None:
    profile = run(
        "CREATE TABLE t AS SELECT NULL::DOUBLE AS x, NULL::VARCHAR AS y FROM range(9)",
        plan(ColumnPlan("x", N, edges=(1.0,)), ColumnPlan("y", T)),
    )
    x, y = profile[0].columns
    assert (x.nulls, x.low, x.quantiles, x.distinct) == (9, None, (), 0)
    assert (y.nulls, y.top, y.mean) == (9, (), None)


def test_constant_column_has_one_distinct_value() -> None:
    found = run("CREATE TABLE t AS SELECT 'same' AS y FROM range(50)", plan(ColumnPlan("y", T)))[0].columns[0]
    assert (found.distinct, found.top, found.stddev) == (1, (("same", 50),), 0.0)


def test_infinite_and_undefined_numbers_are_counted_and_left_out_of_the_figures() -> None:
    setup = "CREATE TABLE t AS SELECT unnest([1.0, 'nan'::DOUBLE, 'inf'::DOUBLE, '-inf'::DOUBLE, 3.0]) AS x"
    found = run(setup, plan(ColumnPlan("x", N, edges=(2.0,))))[0].columns[0]
    assert (found.low, found.high, found.mean) == (1.0, 3.0, 2.0)
    assert (found.nulls, found.counts["finite"]) == (0, 2)
    assert all(math.isfinite(q) for q in found.quantiles)


@pytest.mark.parametrize("name", ['has "quotes"', "has space", "naïve ☃", "select", "semi;colon", "x' OR 1=1 --"])
def test_odd_column_names_are_quoted_and_come_back_as_they_are(name: str) -> None:
    quoted = quote_identifier(name)
    profile = run(f"CREATE TABLE t AS SELECT 1.0 AS {quoted}", plan(ColumnPlan(name, N)))[0]
    assert profile.columns[0].name == name


@pytest.mark.parametrize("name", ["", "nul\x00"])
def test_impossible_identifiers_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="identifier"):
        quote_identifier(name)


def test_text_literals_cannot_be_left() -> None:
    assert quote_text("it's") == "'it''s'"
    with pytest.raises(ValueError, match="backslash"):
        quote_text("\\")


def test_sensitive_values_leave_as_salted_hashes_only() -> None:
    setup = "CREATE TABLE t AS SELECT 'secret' AS y FROM range(3)"
    one, other = (run(setup, plan(ColumnPlan("y", T, sensitive=True), salt=salt))[0].columns[0].top[0][0] for salt in ("a", "b"))
    assert "secret" not in one
    assert one != other


def test_wide_table_is_split_by_columns_and_read_back_whole() -> None:
    names = [f"c{i}" for i in range(500)]
    setup = "CREATE TABLE t AS SELECT " + ", ".join(f"{i}.5 AS {n}" for i, n in enumerate(names))
    wanted = plan(*(ColumnPlan(n, N) for n in names))
    statements = build_statements(wanted, DIALECTS["duckdb"])
    assert len([s for s in statements if not s.is_top]) == 9
    assert max(len(s.sql) for s in statements) < 256 * 1024
    profile = run(setup, wanted)[0]
    assert [c.low for c in profile.columns] == [i + 0.5 for i in range(500)]


def test_statement_that_timed_out_leaves_a_partial_profile_that_says_so() -> None:
    wanted = plan(ColumnPlan("a", N), ColumnPlan("b", N), max_statement_columns=1)
    profile = run("CREATE TABLE t AS SELECT 1.0 AS a, 2.0 AS b", wanted, skip=(1,))[0]
    assert (profile.complete, profile.missing) == (False, ("b",))
    assert [c.name for c in profile.columns] == ["a"]


def test_copies_of_rows_are_counted() -> None:
    profile = run("CREATE TABLE t AS SELECT i % 50 AS x FROM range(100) r(i)", plan(ColumnPlan("x", N), exact_distinct=True))[0]
    assert (profile.rows, profile.distinct_rows) == (100, 50)


def test_sample_is_in_the_statement_and_in_the_profile() -> None:
    wanted = plan(ColumnPlan("x", N), sample=0.5)
    assert all("SAMPLE" in s.sql for s in build_statements(wanted, DIALECTS["snowflake"]))
    profile = run("CREATE TABLE t AS SELECT i AS x FROM range(5000) r(i)", wanted)[0]
    assert profile.sampled == 0.5
    assert 2000 < profile.rows < 3000


def test_share_to_sample_must_be_a_share() -> None:
    with pytest.raises(ValueError, match="sample"):
        plan(ColumnPlan("x", N), sample=0.0)


@pytest.mark.parametrize("dialect", ["snowflake", "postgres", "duckdb"])
@pytest.mark.parametrize("grain", list(Grain))
def test_statements_parse_in_their_dialect(dialect: str, grain: Grain) -> None:
    columns = (
        ColumnPlan("n", N, edges=(1.0, 2.0)),
        ColumnPlan("s", T, sensitive=True),
        ColumnPlan("d", D),
        ColumnPlan("b", B),
        ColumnPlan("j", ColumnKind.OTHER),
    )
    wanted = plan(*columns, partition_column="d", grain=grain, start="2024-01-01", sample=0.1)
    for statement in build_statements(wanted, DIALECTS[dialect]):
        assert len(sqlglot.parse(statement.sql, read=dialect)) == 1


def test_times_of_a_whole_table_are_measured_from_the_moment_of_profiling() -> None:
    setup = "CREATE TABLE t AS SELECT TIMESTAMP '2024-03-01 01:00' AS d UNION ALL SELECT TIMESTAMP '2030-01-01'"
    found = run(setup, plan(ColumnPlan("d", D)))[0].columns[0]
    assert found.high == dt.datetime(2030, 1, 1, tzinfo=dt.UTC).timestamp()
    assert found.quantiles[0] >= 3600

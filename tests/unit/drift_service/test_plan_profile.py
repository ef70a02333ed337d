"""Wishes become plans, answers become profiles."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.drift.app.plan_profile import ProfileWish, Span, arranged, new_memos, plan_of, watched_columns, with_histograms
from services.drift.domain.dataset import CatalogColumn, CatalogTable
from services.drift.domain.profile import QUANTILE_LEVELS, ColumnKind, ColumnProfile, Profile
from services.drift.domain.record import ColumnMemo
from services.drift.domain.watch_settings import Partitioning, WatchSettings
from services.drift.profiling.plan import Grain
from services.drift.warehouses.catalog import chosen_place, postgres_kind, snowflake_kind, snowflake_type


def column(name: str, kind: ColumnKind = ColumnKind.NUMBER, position: int = 1) -> CatalogColumn:
    return CatalogColumn(name, kind.value, True, position, kind)


COLUMNS = (
    column("A"),
    column("b", ColumnKind.TEXT, 2),
    column("B", ColumnKind.TEXT, 3),
    column("at", ColumnKind.TIME, 4),
)
TABLE = CatalogTable(("S", "T"), COLUMNS)
AS_OF = datetime(2026, 3, 12, 12)  # noqa: DTZ001 -- local


def wish(settings: WatchSettings | None = None, span: Span | None = None, memos: dict[str, ColumnMemo] | None = None) -> ProfileWish:
    return ProfileWish(TABLE, settings or WatchSettings(), memos or {}, True, "salt", span, AS_OF)


def numbers(partition: str, low: float, high: float, rows: int = 100, distinct: int = 50) -> Profile:
    width = (high - low) / (len(QUANTILE_LEVELS) - 1)
    quantiles = tuple(low + width * at for at in range(len(QUANTILE_LEVELS)))
    return Profile(partition, rows, (ColumnProfile("A", ColumnKind.NUMBER, distinct=distinct, low=low, high=high, quantiles=quantiles),))


def test_names_in_settings_match_whatever_their_case_when_that_is_clear() -> None:
    assert [one.name for one in watched_columns(TABLE, WatchSettings(include=("a", "AT")))] == ["A", "at"]
    assert [one.name for one in watched_columns(TABLE, WatchSettings(exclude=("b",)))] == ["A", "B", "at"]
    assert [one.name for one in watched_columns(TABLE, WatchSettings(exclude=("missing", "x*")))] == ["A", "b", "B", "at"]


def test_names_may_be_shell_patterns() -> None:
    assert [one.name for one in watched_columns(TABLE, WatchSettings(include=("A*",)))] == ["A", "at"]


def test_no_values_leave_the_warehouse_when_that_is_asked_for() -> None:
    assert not any(one.top for one in plan_of(wish(WatchSettings(top_values=False))).columns)


def test_columns_excluded_from_samples_are_hashed_too() -> None:
    plan = plan_of(replace(wish(WatchSettings(sensitive=("B",))), sensitive=frozenset({"a"})))
    assert [one.name for one in plan.columns if one.sensitive] == ["A", "B"]


def test_plan_is_bounded_by_the_span() -> None:
    span = Span(datetime(2026, 3, 1), datetime(2026, 3, 3), datetime(2026, 3, 3))  # noqa: DTZ001
    plan = plan_of(wish(WatchSettings(partition=Partitioning("AT")), span))
    assert (plan.partition_column, plan.start, plan.end) == ("at", "2026-03-01T00:00:00", "2026-03-03T00:00:00")
    assert plan_of(wish()).partition_column is None


def test_edges_are_decided_once_from_all_partitions_at_hand() -> None:
    fresh = new_memos([numbers("2026-03-01", 0, 10), numbers("2026-03-02", 5, 20)], {})
    assert (min(fresh["A"].edges), max(fresh["A"].edges)) == (-20, 40)
    assert new_memos([numbers("2026-03-01", 0, 10)], fresh) == {}
    assert new_memos([Profile("2026-03-01", 0, (ColumnProfile("A", ColumnKind.NUMBER, distinct=0),))], {}) == {}


def test_frequent_values_of_a_key_are_not_asked_for() -> None:
    assert new_memos([numbers("p", 0, 10, rows=2000, distinct=2000)], {})["A"].top is False
    assert new_memos([numbers("p", 0, 10, rows=20, distinct=20)], {})["A"].top is True
    assert plan_of(wish(memos={"A": ColumnMemo((1.0,), False)})).columns[0].top is False


def test_histograms_of_a_second_look_are_put_where_they_belong() -> None:
    seen = replace(numbers("p", 0, 1).columns[0], edges=(0.5,), histogram=(60, 40))
    (profile,) = with_histograms([numbers("p", 0, 1)], [Profile("p", 100, (seen,))])
    assert (profile.columns[0].histogram, profile.columns[0].high) == ((60, 40), 1)


def test_partitions_without_rows_are_there_and_those_beyond_the_expected_only_with_rows() -> None:
    span = Span(datetime(2026, 3, 1), datetime(2026, 3, 6), datetime(2026, 3, 4))  # noqa: DTZ001
    asked = wish(WatchSettings(partition=Partitioning("at")), span)
    found = arranged([numbers("2026-03-05", 0, 1), numbers("2026-03-02T00:00:00+00:00", 0, 1)], plan_of(asked), asked)
    assert [(profile.partition, profile.rows) for profile in found] == [
        ("2026-03-01", 0), ("2026-03-02", 100), ("2026-03-03", 0), ("2026-03-05", 100),
    ]  # fmt: skip
    assert [one.name for one in found[0].columns] == ["A", "b", "B", "at"]


def test_hours_of_a_clock_change_are_left_out() -> None:
    span = Span(datetime(2026, 3, 29, 1), datetime(2026, 3, 29, 5), datetime(2026, 3, 29, 5))  # noqa: DTZ001
    asked = wish(WatchSettings(partition=Partitioning("at", Grain.HOUR, "Europe/Vienna")), span)
    found = arranged([], plan_of(asked), asked)
    assert [profile.partition[11:13] for profile in found] == ["01", "03", "04"]


def test_types_of_warehouses_are_measured_as_what_they_are() -> None:
    assert [snowflake_kind(name) for name in ("NUMBER", "TEXT", "TIMESTAMP_TZ", "DATE", "BOOLEAN", "VARIANT", "TIME")] == [
        ColumnKind.NUMBER, ColumnKind.TEXT, ColumnKind.TIME, ColumnKind.TIME, ColumnKind.FLAG, ColumnKind.OTHER, ColumnKind.OTHER,
    ]  # fmt: skip
    assert snowflake_type("NUMBER", None, 10, 2) == "NUMBER(10,2)"
    assert snowflake_type("TEXT", 255, None, None) == "VARCHAR(255)"
    assert snowflake_type("FLOAT", None, None, None) == "FLOAT"
    assert [postgres_kind(*pair) for pair in (("int4", "N"), ("money", "N"), ("timestamptz", "D"), ("time", "D"), ("uuid", "U"))] == [
        ColumnKind.NUMBER, ColumnKind.OTHER, ColumnKind.TIME, ColumnKind.OTHER, ColumnKind.OTHER,
    ]  # fmt: skip


def test_place_is_the_exact_one_or_the_only_one() -> None:
    places = [("public", "orders"), ("public", "ORDERS"), ("Public", "x")]
    assert chosen_place(places, "public", "ORDERS") == ("public", "ORDERS")
    assert chosen_place(places, "public", "Orders") is None
    assert chosen_place([("PUBLIC", "ORDERS")], "public", "orders") == ("PUBLIC", "ORDERS")
    assert chosen_place([], "public", "orders") is None

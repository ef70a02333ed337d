from __future__ import annotations

import pytest

from services.drift.domain.profile import Profile
from services.drift.domain.schema import ChangeKind, SchemaChange, SchemaColumn, TypeDirection
from services.drift.methods.column_types import direction, parse_type
from services.drift.methods.schema_diff import Look, schema_diff
from tests.unit.drift.tables import make_day, number_column, text_column


def table(*columns: str) -> Look:
    """Columns as "name type", "?" for nullable."""
    parts = [c.split(" ", 1) for c in columns]
    return Look([SchemaColumn(n.rstrip("?"), t, n.endswith("?"), i + 1) for i, (n, t) in enumerate(parts)])


def diff(before: Look, after: Look, dialect: str = "snowflake") -> list[tuple[str, str, str | None]]:
    return [(c.kind.value, c.column, c.to) for c in schema_diff(before, after, dialect)]


BASE = table("ID NUMBER(38,0)", "NAME? VARCHAR(64)", "CREATED TIMESTAMP_NTZ(9)")


def test_nothing_changed_is_nothing_said() -> None:
    shuffled = Look(list(reversed(BASE.columns)))
    lower = table("id NUMBER(38,0)", "name? VARCHAR(64)", "created TIMESTAMP_NTZ(9)")
    assert diff(BASE, shuffled) == []
    assert diff(BASE, lower) == []


def test_two_spellings_of_a_type_are_one_type() -> None:
    assert diff(BASE, table("ID BIGINT", "NAME? STRING(64)", "CREATED DATETIME")) == []
    old = table("a integer", "b character varying(20)", "c timestamp without time zone")
    assert diff(old, table("a int4", "b varchar(20)", "c timestamp"), "postgres") == []


def test_added_and_removed_columns_are_told() -> None:
    after = table("ID NUMBER(38,0)", "CREATED TIMESTAMP_NTZ(9)", "WEIGHT FLOAT")
    assert diff(BASE, after) == [("removed", "NAME", None), ("added", "WEIGHT", "FLOAT")]


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("NUMBER(10,0)", "NUMBER(38,0)", TypeDirection.WIDENED),
        ("NUMBER(38,0)", "NUMBER(10,0)", TypeDirection.NARROWED),
        ("VARCHAR(10)", "VARCHAR(5)", TypeDirection.NARROWED),
        ("NUMBER(12,2)", "VARCHAR", TypeDirection.WIDENED),
        ("FLOAT", "NUMBER(38,0)", TypeDirection.NARROWED),
        ("DATE", "TIMESTAMP_NTZ", TypeDirection.WIDENED),
        ("BOOLEAN", "FLOAT", TypeDirection.OTHER),
        ("TIMESTAMP_NTZ", "TIMESTAMP_TZ", TypeDirection.OTHER),
    ],
)
def test_widening_and_narrowing_are_told_apart(before: str, after: str, wanted: TypeDirection) -> None:
    assert direction(parse_type(before), parse_type(after)) is wanted


def test_nullability_is_told_in_both_directions() -> None:
    change = schema_diff(BASE, table("ID NUMBER(38,0)", "NAME VARCHAR(64)", "CREATED TIMESTAMP_NTZ(9)"))
    assert change == (SchemaChange(ChangeKind.NULLABLE_CHANGED, "NAME", to="not null", was="null"),)


def test_swapped_columns_are_a_reordering_and_nothing_else() -> None:
    found = schema_diff(BASE, table("NAME? VARCHAR(64)", "ID NUMBER(38,0)", "CREATED TIMESTAMP_NTZ(9)"))
    assert [(c.kind, set(c.columns)) for c in found] == [(ChangeKind.REORDERED, {"ID", "NAME"})]


@pytest.mark.parametrize("name", ["SRC_NAME", "NAME_V2", "TITLE", "NM"])
def test_likely_renames_are_guessed_with_a_confidence(name: str) -> None:
    found = schema_diff(BASE, table("ID NUMBER(38,0)", f"{name}? VARCHAR(64)", "CREATED TIMESTAMP_NTZ(9)"))
    assert [(c.kind, c.to) for c in found] == [(ChangeKind.RENAMED, name)]
    assert 0.5 <= found[0].confidence < 1
    assert found[0].reasons


def test_content_decides_between_a_rename_and_a_swap() -> None:
    day, later = make_day(0), make_day(1)
    before_profile = Profile("a", 400, (text_column("COUNTRY", day.country),))
    same, other = text_column("LAND", later.country), text_column("LAND", [f"x{i}" for i in range(400)])
    before = Look([SchemaColumn("COUNTRY", "VARCHAR", True, 1)], before_profile)
    after = [SchemaColumn("LAND", "VARCHAR", True, 1)]
    kept = schema_diff(before, Look(after, Profile("b", 400, (same,))))
    gone = schema_diff(before, Look(after, Profile("b", 400, (other,))))
    assert [c.kind for c in kept] == [ChangeKind.RENAMED]
    assert sorted(c.kind.value for c in gone) == ["added", "removed"]


def test_rename_that_also_retypes_tells_both() -> None:
    found = diff(BASE, table("ID NUMBER(38,0)", "NAME_V2? VARCHAR(16)", "CREATED TIMESTAMP_NTZ(9)"))
    assert found == [("renamed", "NAME", "NAME_V2"), ("type_changed", "NAME_V2", "VARCHAR(16)")]


def test_numbers_and_their_texts_are_compared_by_value() -> None:
    before = Look([SchemaColumn("PRICE", "FLOAT", True, 1)], Profile("a", 400, (number_column("PRICE", [1.0, 2.0] * 200),)))
    after = Look([SchemaColumn("UNIT_PRICE", "VARCHAR", True, 1)], Profile("b", 400, (text_column("UNIT_PRICE", ["1", "2"] * 200),)))
    renamed = next(c for c in schema_diff(before, after) if c.kind is ChangeKind.RENAMED)
    assert "alike content" in renamed.reasons


def test_unreadable_type_is_its_own_family() -> None:
    assert parse_type("GEOGRAPHY(4326, extra stuff!)") == parse_type("geography(4326, EXTRA stuff!)")
    assert parse_type("text[]").family == "text[]"

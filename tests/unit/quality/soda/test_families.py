"""Schema and group checks, percentages, and the sentences that explain them."""

from __future__ import annotations

import pytest

from services.quality.soda.explain import Explainer
from services.quality.soda.families import glob_matches, listed
from services.quality.soda.findings import number, shown
from services.quality.soda.guard import Scope
from services.quality.soda.names import Names
from services.quality.soda.percent import percentage
from services.quality.soda.samples import _text
from services.quality.soda.session import StatementFailed

SNOWFLAKE = Names(Scope("snowflake", "DB", "SC", frozenset()))
POSTGRES = Names(Scope("postgres", "db", "sc", frozenset()))


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [("email", ["EMAIL"]), ("e%", ["EMAIL"]), ("*I*", ["ID", "EMAIL"]), ("mail", []), ("(a+)+$", []), ("i.", []), ("%", ["ID", "EMAIL"])],
)
def test_only_stars_and_percent_signs_are_special(pattern: str, matched: list[str]) -> None:
    assert glob_matches(pattern, ["ID", "EMAIL"]) == matched


def test_long_lists_say_how_many_more_there_are() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(item) for item in range(9)]) == "0, 1, 2, 3, 4 and 4 more"


@pytest.mark.parametrize(
    ("count", "rows", "value"),
    [(1, 3, 33.33), (0, 10, 0.0), (10, 10, 100.0), (1, 10**6, 0.0001), (10**6 - 1, 10**6, 99.9999), (5, 0, None)],
)
def test_percentages_never_round_to_all_or_none(count: int, rows: int, value: float | None) -> None:
    assert percentage(count, rows) == value


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (2.5, "2.5"), (1 / 3, "0.333333"), (1e-9, "1e-09"), (10, "10"), (True, "True"), ("x", "x")]
)
def test_values_are_shown_as_people_write_them(value: object, text: str) -> None:
    assert shown(value) == text


def test_only_finite_numbers_are_numbers() -> None:
    assert [number(value) for value in (1, 2.5, float("nan"), float("inf"), None, "5")] == [1.0, 2.5, None, None, None, None]


@pytest.mark.parametrize(
    ("written", "snowflake", "postgres"),
    [
        ("orders", "DB.SC.ORDERS", "sc.orders"),
        ("other.orders", "DB.OTHER.ORDERS", "other.orders"),
        ("lake.raw.orders", "LAKE.RAW.ORDERS", "raw.orders"),
        ('"My Table"', 'DB.SC."My Table"', 'sc."My Table"'),
        ('"orders"', 'DB.SC."orders"', 'sc."orders"'),
        ("größe", 'DB.SC."GRÖSSE"', 'sc."größe"'),
    ],
)
def test_tables_are_qualified_as_the_warehouse_stores_them(written: str, snowflake: str, postgres: str) -> None:
    assert (SNOWFLAKE.qualified(written), POSTGRES.qualified(written)) == (snowflake, postgres)


def test_names_found_in_the_catalogue_are_written_so_that_they_are_found_again() -> None:
    for stored in ("ORDERS", "orders", "My Table", "a.b", "T_${X}"):
        assert SNOWFLAKE.locate(SNOWFLAKE.written(stored)).table == stored


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (SNOWFLAKE, "000904 (42000): SQL compilation error: error line 1 at position 7 invalid identifier 'EMIAL'"),
        (SNOWFLAKE, "invalid identifier '\"EMIAL\"'"),
        (SNOWFLAKE, "invalid identifier 'SOURCE.EMIAL'"),
        (POSTGRES, 'column "EMIAL" does not exist'),
        (POSTGRES, "column source.EMIAL does not exist"),
    ],
)
def test_a_missing_column_is_named_with_its_neighbour(names: Names, message: str) -> None:
    explainer = Explainer(names, lambda table: ["ID", "EMAIL"], lambda schema: [])
    sentence = explainer.explain(StatementFailed("sql", message), ["customers"])
    assert sentence == f"Column EMIAL does not exist in {names.fold('customers')}; did you mean EMAIL?"


def test_a_column_missing_in_the_other_table_of_a_reference_is_named_with_that_table() -> None:
    columns = {"orders": ["ID", "CUSTOMER_ID"], "customers": ["ID", "NAME"]}
    explainer = Explainer(SNOWFLAKE, lambda table: columns[table], lambda schema: [])
    pairs = [("orders", "customer_id"), ("customers", "nmae")]
    sentence = explainer.explain(StatementFailed("sql", "invalid identifier 'TARGET'"), ["orders", "customers"], pairs)
    assert sentence == "Column NMAE does not exist in CUSTOMERS; did you mean NAME?"


def test_a_column_of_another_case_is_shown_in_quotes() -> None:
    explainer = Explainer(SNOWFLAKE, lambda table: ["theId"], lambda schema: [])
    sentence = explainer.explain(StatementFailed("sql", "invalid identifier 'THEID'"), ["t"])
    assert sentence == 'Column THEID does not exist in T; write "theId" in double quotes.'


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (SNOWFLAKE, "002003 (42S02): SQL compilation error: Object 'DB.SC.CUSTMERS' does not exist or not authorized."),
        (SNOWFLAKE, "Table 'CUSTMERS' does not exist"),
        (POSTGRES, 'relation "sc.CUSTMERS" does not exist'),
    ],
)
def test_a_missing_table_is_named_with_its_neighbour(names: Names, message: str) -> None:
    explainer = Explainer(names, lambda table: [], lambda schema: ["CUSTOMERS", "ORDERS"])
    sentence = explainer.explain(StatementFailed("sql", message), ["custmers"])
    assert sentence.casefold().startswith("table custmers does not exist in schema sc")
    assert sentence.endswith("did you mean CUSTOMERS?")


def test_other_errors_are_quoted_without_their_noise() -> None:
    explainer = Explainer(SNOWFLAKE, lambda table: [], lambda schema: [])
    failure = StatementFailed("sql", "001003 (42000): SQL compilation error: syntax error line 1 at position 3 unexpected 'x'.")
    assert explainer.explain(failure, []) == "The warehouse refused the statement: syntax error line 1 at position 3 unexpected 'x'."


def test_sampled_values_are_short_texts() -> None:
    assert [_text(value) for value in (None, 5, "x" * 300, b"\xab\xcd")] == [None, "5", "x" * 199 + "…", "abcd"]

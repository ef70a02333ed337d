"""Sections, forms, ids: what a checks text declares."""

from __future__ import annotations

import pytest

from services.quality.soda.definitions import canonical_yaml
from services.quality.soda.document import BadDocument, read_document
from services.quality.soda.suite import MAX_CHECKS, Scope, Suite, read_suite


def _suite(text: str) -> Suite:
    return read_suite(read_document(text))


NATIVE = (
    "checks for customers:\n  - row_count > 0\n  - missing_count(id) = 0:\n      name: ids\nchecks for orders [daily]:\n  - row_count > 1\n"
)
COMPACT = (
    "checks:\n  customers:\n    - row_count > 0\n    - missing_count(id) = 0:\n        name: ids\n  orders [daily]:\n    - row_count > 1\n"
)


def test_both_forms_declare_the_same() -> None:
    native, compact = _suite(NATIVE), _suite(COMPACT)
    shape = [(entry.id, entry.table, entry.partition, entry.text, entry.definition) for entry in native.declarations]
    assert shape == [(entry.id, entry.table, entry.partition, entry.text, entry.definition) for entry in compact.declarations]
    assert [entry.line for entry in compact.declarations] == [3, 4, 7]
    assert (native.compact, compact.compact) == (False, True)


def test_the_canonical_form_is_sodas_own() -> None:
    assert canonical_yaml(read_document(COMPACT)) == canonical_yaml(read_document(NATIVE))
    assert read_document(canonical_yaml(read_document(COMPACT))) == read_document(NATIVE)


@pytest.mark.parametrize("text", [NATIVE + COMPACT, COMPACT + NATIVE])
def test_mixed_forms_are_a_problem_of_the_later_one(text: str) -> None:
    problems = _suite(text).problems
    assert [problem.line for problem in problems] == [8 if text.startswith("checks:") else 7]
    assert "Two forms are mixed" in problems[0].message


def test_filters_and_variables_may_stand_beside_the_compact_form() -> None:
    suite = _suite("variables:\n  a: 1\n" + COMPACT + "filter orders [daily]:\n  where: x = ${a}\n")
    assert (suite.problems, suite.variables, suite.references) == ([], {"a": "1"}, {"a"})
    assert [(entry.table, entry.name, entry.where) for entry in suite.filters] == [("orders", "daily", "x = ${a}")]


def test_equal_checks_are_told_apart_and_order_does_not_matter() -> None:
    first = _suite("checks for t:\n  - a > 1\n  - a > 1\n  - b > 1\n").declarations
    second = _suite("checks for t:\n  - b > 1\n  - a > 1\n  - a > 1\n").declarations
    assert len({entry.id for entry in first}) == 3
    assert {entry.id for entry in first} == {entry.id for entry in second}


def test_a_definition_shows_its_settings() -> None:
    definition = _suite("checks for t:\n  - invalid_count(x) = 0:\n      valid values: [no, 1.5]\n").declarations[0].definition
    assert definition == "invalid_count(x) = 0:\n  valid values:\n  - 'no'\n  - 1.5"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cheks for t:\n  - a > 1\n", "Unknown section `cheks for t`"),
        ("checks for t: []\n", "Expected a list of checks"),
        ("checks for t:\n  a: 1\n", "but found an object"),
        ("checks for t:\n", "but found nothing"),
        ("checks for t x:\n  - a > 1\n", "not a table name"),
        ("'checks for a;b':\n  - a > 1\n", "not a table name"),
        ("checks for a.b.c.d:\n  - a > 1\n", "not a table name"),
        ("checks for t:\n  - 5\n", "Expected a check such as"),
        ("checks for t:\n  -\n", "Expected a check such as"),
        ("checks for t:\n  - a > 1:\n    name: b\n", "indent it below"),
        ("filter t:\n  where: x\n", "Expected `filter TABLE [name]:`"),
        ("filter t [d]:\n  were: x\n", "Expected `where:`"),
        ("variables: [a]\n", "Expected `name: value`"),
        ("variables:\n  a b: 1\n", "letters, digits and _"),
        ("for each dataset T:\n  checks:\n    - a > 1\n", "Expected `datasets:`"),
        ("configurations for t: [a]\n", "Expected entries such as"),
        ("profile columns:\n  columns: [a.b]\n", "belong to drift detection"),
        ("for each column C:\n  - a > 1\n", "not part of Soda Core"),
        ("soda_cloud:\n  host: x\n", "not configured in checks"),
    ],
)
def test_a_broken_part_is_one_declaration_with_a_problem(text: str, words: str) -> None:
    suite = _suite(text + "checks for fine:\n  - row_count > 0\n")
    broken = [entry for entry in suite.declarations if entry.problem]
    assert len(broken) == 1
    assert broken[0].problem is not None
    assert words in broken[0].problem.message
    assert [entry.text for entry in suite.declarations if not entry.problem] == ["row_count > 0"]


@pytest.mark.parametrize(
    "table", ["customers", '"My Table"', "sales.orders", "db.sales.orders", "${T}", "t_${day}", "größe", "a$b", '"a.b".c']
)
def test_table_names_of_every_shape_are_read(table: str) -> None:
    suite = _suite(f"'checks for {table} [x]':\n  - a > 1\n")
    assert [(entry.table, entry.partition, entry.problem) for entry in suite.declarations] == [(table, "x", None)]


def test_for_each_dataset_keeps_its_patterns() -> None:
    each = _suite("for each dataset T:\n  datasets: [a%, 'include \"b\"', exclude c]\n  checks:\n    - a > 1\n").declarations[0]
    assert each.scope is Scope.EACH
    assert each.each is not None
    assert (each.each.alias, each.each.includes, each.each.excludes) == ("T", ("a%", "b"), ("c",))


def test_a_suite_has_a_largest_size() -> None:
    assert len(_suite("checks for t:\n" + "  - a > 1\n" * MAX_CHECKS).declarations) == MAX_CHECKS
    with pytest.raises(BadDocument, match="More than 1000 checks"):
        _suite("checks for t:\n" + "  - a > 1\n" * (MAX_CHECKS + 1))


def test_a_key_written_twice_is_told() -> None:
    suite = _suite("checks for t:\n  - a > 1\nchecks for t:\n  - b > 1\n")
    assert [entry.text for entry in suite.declarations] == ["a > 1", "b > 1"]
    assert [problem.message for problem in suite.problems] == ["`checks for t` is written twice; keep one."]

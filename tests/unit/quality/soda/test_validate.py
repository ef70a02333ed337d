"""What a writer of checks is told: the line, the column, what was expected; and nothing about the checks that are right."""

from __future__ import annotations

import pytest

from services.quality.domain.scan import CheckProblem
from services.quality.soda.parse import column_of
from services.quality.soda.validate import validate


def _problem(check: str) -> CheckProblem:
    item = "\n    ".join(check.strip().splitlines())
    result = validate(f"checks for t:\n  - row_count > 0\n  - {item}\n  - missing_count(id) = 0\n")
    assert not result.valid
    assert len(result.problems) == 1, result.problems
    assert len(result.checks) == 3
    assert result.canonical_yaml == ""
    return result.problems[0]


@pytest.mark.parametrize(
    ("check", "line", "column", "words"),
    [
        ("rowcount > 0", 3, 5, "Unknown check `rowcount`; did you mean row_count? Expected one of: avg,"),
        ("missing_count = 0", 3, 5, "`missing_count` needs a column, as in `missing_count(column)`."),
        ("missing_count email = 0", 3, 5, "at `email`. Expected one of: between, not, !=, <>, <=, >=, =, <, >."),
        ("row_count", 3, 5, "threshold"),
        ("row_count >", 3, 5, "Cannot read `row_count >` at its end."),
        ("row_count = abc", 3, 5, "Expected a number in the threshold, but found `abc`."),
        ("row_count < 1d", 3, 5, "A duration such as `1d` only fits `freshness`; expected a number."),
        ("row_count between 5 and 1", 3, 5, "less than the upper bound"),
        ("freshness(ts) > 1d", 3, 5, "Freshness needs a longest age"),
        ("freshness(ts) < 5", 3, 5, "Freshness needs a longest age"),
        ("avg(a, b) > 3", 3, 5, "`avg` takes one column, but 2 were found."),
        ("row_count(a) > 3", 3, 5, "takes no column"),
        ("percentile(x, 5) > 3", 3, 5, "a fraction from 0 to 1"),
        ("$template > 4", 3, 5, "Check templates"),
        ("schema", 3, 5, "`schema` needs `warn:` or `fail:`"),
        ("schema:\n  fail:\n    when required columns missing: [a]", 4, 7, 'Did you mean "when required column missing"?'),
        ("failed rows:\n  name: x", 3, 5, "exactly one of `fail condition:` and `fail query:`"),
        ("failed rows:\n  fail condition: a\n  fail query: b", 3, 5, "exactly one of"),
        ("failed rows:\n  fail condition: 5", 4, 7, "`fail condition` must be a text, but found `5`."),
        ("invalid_count(x) = 0:\n  valid valus: [a]", 4, 7, "Unknown setting `valid valus`; did you mean valid values?"),
        ("invalid_count(x) = 0:\n  valid values: a", 4, 7, "`valid values` must be a list, as in `[a, b]`, but found `a`."),
        ("invalid_count(x) = 0:\n  valid values: [a, 1]", 4, 7, "only texts or only numbers"),
        ("invalid_count(x) = 0:\n  valid min: abc", 4, 7, "`valid min` must be a number, but found `abc`."),
        ("row_count:\n  fail: 5", 4, 7, "`fail` must be a condition such as `when > 5`, but found `5`."),
        ("row_count:\n  fail: when x", 3, 5, "Invalid threshold"),
        ("row_count > 0: 5", 3, 5, "Expected settings"),
        ("row_count > 0:\n  attributes: 5", 4, 7, "`attributes` must be"),
        ("values in (a, b) must exist in t (b)", 3, 5, "must be equal"),
        ("values in a must exist in t", 3, 5, "Cannot read"),
        ("group by:\n  query: select 1\n  fields: [a]", 3, 5, "A `group by` check needs `checks:`."),
        ("group evolution:\n  query: select 1", 3, 5, "needs `warn:` or `fail:`"),
        ("x > 1:\n  x sql_file: /etc/passwd", 4, 7, "reads a file"),
        ("row_count > ${env_var('X')}", 3, 5, "only `${name}`"),
        ("row_count > 0:\n  filter: a = ${b", 3, 5, "only `${name}`"),
    ],
)
def test_one_bad_check_is_one_problem_at_its_place(check: str, line: int, column: int, words: str) -> None:
    problem = _problem(check)
    assert words in problem.message
    assert (problem.line, problem.column) == (line, column)


def test_good_checks_are_declared_with_their_columns() -> None:
    result = validate(
        "variables:\n  low: 1\nchecks for t:\n  - row_count > ${low}\n  - missing_count(Email) < ${limit}:\n      name: Mail is there\n"
        "  - values in (a) must exist in other (b)\n  - row_count same as u in lake\n  - anomaly score for row_count < default\n"
        "for each dataset D:\n  datasets: [a%]\n  checks:\n    - duplicate_count(d) = 0:\n        name: ${D}\n"
    )
    assert result.problems == ()
    assert [check.column for check in result.checks] == ["", "Email", "a", "", "", "d"]
    assert result.checks[1].name == "Mail is there"
    assert (result.data_sources, result.tables, result.variables) == (("lake",), ("t", "other", "u"), ("limit", "low"))
    assert result.canonical_yaml.startswith("variables:\n  low: 1\nchecks for t:\n- row_count > ${low}\n")


@pytest.mark.parametrize(
    ("check", "column"),
    [
        ("row_count between (1 and 5]", ""),
        ('missing_count("a, (b)") = 0', "a, (b)"),
        ("change avg last 7 for max(x) < 5", "x"),
        ("freshness using created < 1d", "created"),
        ("percentile(x, 0.5) > 1", "x"),
        ("duplicate_count(a, b) = 0", ""),
        ("row_count same as b in c", ""),
    ],
)
def test_the_column_of_a_check_is_what_it_measures(check: str, column: str) -> None:
    assert column_of(check) == column


@pytest.mark.parametrize("text", ["", "# only a comment", "variables:\n  a: 1\n", "{}"])
def test_a_text_without_checks_is_not_valid(text: str) -> None:
    assert [problem.line for problem in validate(text).problems] == [0]


def test_mixed_forms_and_repeated_keys_are_problems() -> None:
    mixed = validate("checks for a:\n  - row_count > 0\nchecks:\n  b:\n    - row_count > 0\n")
    assert [(problem.line, problem.message[:19]) for problem in mixed.problems] == [(3, "Two forms are mixed")]
    twice = validate("checks for a:\n  - row_count > 0\nchecks for a:\n  - row_count > 1\n")
    assert [problem.line for problem in twice.problems] == [3]


def test_filters_and_configurations_are_looked_at() -> None:
    result = validate(
        "filter t [daily]:\n  where: a = 1\nconfigurations for t:\n  valid vals for x: [a]\n  valid values for y: a\n  nothing: 1\n"
        "checks for t [dayly]:\n  - row_count > 0\nchecks for t [daily]:\n  - row_count > 0\n"
    )
    assert [(problem.line, problem.message.split(";")[0]) for problem in result.problems] == [
        (4, "Unknown setting `valid vals`"),
        (5, "`valid values` must be a list, as in `[a, b]`, but found `a`."),
        (6, "Expected `<setting> for <column>`, but found `nothing`."),
        (8, "Filter [dayly] of t is not declared"),
    ]


def test_a_query_less_check_at_the_top_is_told_where_it_belongs() -> None:
    result = validate("checks:\n  - row_count > 0\n  - failed rows:\n      fail query: SELECT 1\n", table="orders")
    assert [problem.message for problem in result.problems] == [
        "A check of a top-level `checks:` list needs its own query; to check a table, write `checks for orders:` above it."
    ]


def test_emoji_and_quotes_in_names_are_fine() -> None:
    result = validate('checks for t:\n  - row_count > 0:\n      name: "🙂 it\'s \\"fine\\""\n')
    assert result.valid
    assert result.checks[0].name == '🙂 it\'s "fine"'

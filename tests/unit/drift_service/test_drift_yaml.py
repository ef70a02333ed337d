"""drift_yaml: what is understood, and what is said about the rest."""

from __future__ import annotations

import pytest

from services.drift.domain.drift_yaml import MAX_BYTES, parse_drift_yaml, render_drift_yaml
from services.drift.domain.watch_settings import SchemaChange, SchemaRule, Watched, WatchSettings
from services.drift.profiling.plan import Grain

FULL = """
watch: [schema, distribution]
sensitivity: high
false_alarms: 0.01
partition: {column: created_at, grain: week, timezone: Europe/Vienna, delay_hours: 6}
grain: hour
timezone: America/New_York
holidays: at-9
columns:
  include: [a, b]
  exclude: [c]
  mute: [d]
  sensitive: [e-mail]
schema: {added: ignore, reordered: warning}
top_values: false
sample: 0.25
backfill: 30
adopt_after: 0
"""


def test_everything_is_read() -> None:
    settings, problems = parse_drift_yaml(FULL)
    assert problems == ()
    assert settings.watch == {Watched.SCHEMA, Watched.DISTRIBUTION}
    assert (settings.sensitivity, settings.false_alarms, settings.sample, settings.top_values) == (1.3, 0.01, 0.25, False)
    assert settings.partition is not None
    assert (settings.partition.column, settings.partition.grain, settings.partition.delay_hours) == ("created_at", Grain.WEEK, 6)
    assert (settings.include, settings.exclude, settings.muted, settings.sensitive) == (("a", "b"), ("c",), ("d",), ("e-mail",))
    assert settings.schema_rules == {SchemaChange.ADDED: SchemaRule.IGNORE, SchemaChange.REORDERED: SchemaRule.WARNING}
    assert (settings.holidays, settings.backfill, settings.adopt_after, settings.zone) == ("AT-9", 30, 0, "Europe/Vienna")


@pytest.mark.parametrize("text", ["", "  \n", "# nothing\n", "null\n", "{}\n"])
def test_no_settings_are_the_defaults(text: str) -> None:
    assert parse_drift_yaml(text) == (WatchSettings(), ())


@pytest.mark.parametrize("text", ["", FULL, "partition: created_at\n", "sensitivity: 0.9\nholidays: US-NY\n"])
def test_effective_settings_read_as_the_same(text: str) -> None:
    settings, _ = parse_drift_yaml(text)
    assert parse_drift_yaml(render_drift_yaml(settings)) == (settings, ())


def test_partition_takes_the_zone_of_the_dataset_unless_it_has_its_own() -> None:
    settings, _ = parse_drift_yaml("timezone: Asia/Tokyo\npartition: at\n")
    assert settings.partition is not None
    assert settings.partition.timezone == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("sensitvity: low\n", (1, 1), "`sensitivity` is meant?"),
        ("a: 1\nzzzz: 2\n", (1, 1), "expected one of watch, sensitivity"),
        ("watch: [schema, volum]\n", (1, 17), "one of schema, volume, distribution is expected, not `volum`"),
        ("watch: schema\n", (1, 8), "a list is expected"),
        ("sensitivity: loud\n", (1, 14), "one of low, normal, high, or a number is expected"),
        ("sensitivity: 100\n", (1, 14), "from 0.2 to 5"),
        ("top_values: 3\n", (1, 13), "true or false"),
        ("sample: 0\n", (1, 9), "from 0.0001 to 1"),
        ("sample: .nan\n", (1, 9), "a share of the rows"),
        ("backfill: 1.5\n", (1, 11), "without a fraction"),
        ("backfill: 5000\n", (1, 11), "from 0 to 1000"),
        ("partition: {grain: day}\n", (1, 12), "`column` is missing"),
        ("partition:\n  column: a\n  grain: value\n", (3, 10), "one of hour, day, week, month is expected"),
        ("timezone: Mars/Olympus\n", (1, 11), "an IANA time zone"),
        ("timezone: ../../etc/passwd\n", (1, 11), "an IANA time zone"),
        ("holidays: Atlantis\n", (1, 11), "a country code"),
        ("holidays: AT-99\n", (1, 11), "AT has no subdivision 99"),
        ("columns: {sensitive: email}\n", (1, 22), "a list of columns"),
        ("columns: {mute: [[a]]}\n", (1, 18), "the name of a column"),
        ("schema: {added: loud}\n", (1, 17), "one of ignore, info, warning, critical"),
        ("sample: 1\nsample: 1\n", (2, 1), "`sample` is given twice"),
        ("- a\n", (1, 1), "a mapping is expected"),
        ("a: [1\n", (2, 1), "expected"),
        ("a: &x 1\nb: *x\n", (2, 4), "aliases"),
        ("a: 1\n---\nb: 2\n", (2, 1), "one document is expected"),
        ("a: {b: {c: {d: {e: {f: {g: 1}}}}}}\n", (1, 24), "too deep"),
    ],
)
def test_problem_says_where_and_what_was_expected(text: str, place: tuple[int, int], expected: str) -> None:
    _, problems = parse_drift_yaml(text)
    found = [problem for problem in problems if expected in problem.message]
    assert found, problems
    assert (found[0].line, found[0].column) == place


def test_all_problems_are_told_in_the_order_of_the_lines() -> None:
    _, problems = parse_drift_yaml("sample: 7\nwatch: 1\ncolumns: {mute: x, include: y}\nfoo: 1\n")
    assert [problem.line for problem in problems] == [1, 2, 3, 3, 4]


@pytest.mark.parametrize("text", ["a: " + "x" * MAX_BYTES, "a: \0", "[" * 100_000, "? " * 5000, "!!python/object/apply:os.system [x]"])
def test_hostile_text_is_refused(text: str) -> None:
    _, problems = parse_drift_yaml(text)
    assert len(problems) >= 1

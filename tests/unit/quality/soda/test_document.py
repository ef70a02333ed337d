"""YAML as SodaCL reads it, and the bounds that no text passes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.quality.soda.definitions import dump, plain
from services.quality.soda.document import BadDocument, YamlList, YamlMap, read_document


def _scalar(text: str) -> object:
    return read_document(f"key: {text}")["key"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("NO", "NO"), ("yes", "yes"), ("on", "on"), ("true", True), ("False", False), ("~", None), ("", None),
        ("5", 5), ("-5", -5), ("+5", 5), ("0", 0), ("007", "007"), ("1.50", 1.5), ("1e3", 1000.0), (".5", 0.5), ("1_000", "1_000"),
        ("12:30", "12:30"), ("2026-01-01", "2026-01-01"), ("0x1F", "0x1F"), ("'5'", "5"), ('"no"', "no"), ("1.2.3", "1.2.3"),
    ],
)  # fmt: skip
def test_plain_words_keep_the_meaning_a_writer_of_checks_expects(text: str, value: object) -> None:
    assert _scalar(text) == value
    assert type(_scalar(text)) is type(value)


def test_positions_are_those_of_the_text() -> None:
    document = read_document("a: 1\nchecks for t:\n  - x\n  - y:\n      z: 1\n")
    checks = document["checks for t"]
    assert isinstance(checks, YamlList)
    assert document.positions == {"a": (1, 1), "checks for t": (2, 1)}
    assert checks.positions == [(3, 5), (4, 5)]
    nested = checks[1]
    assert isinstance(nested, YamlMap)
    inner = nested["y"]
    assert isinstance(inner, YamlMap)
    assert inner.positions == {"z": (5, 7)}


def test_a_key_written_twice_is_kept_for_both_readers() -> None:
    document = read_document("a: 1\nb: 2\na: 3\n")
    assert document == {"a": 1, "b": 2}
    assert document.repeated == [("a", (3, 1))]
    assert [(key, value) for key, _, value in document.entries] == [("a", 1), ("b", 2), ("a", 3)]


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a: 'x", 1, 6, "syntax error"),
        ("a:\n\t- b", 2, 1, "cannot start any token"),
        ("a: b: c", 1, 5, "mapping values are not allowed"),
        ("- a", 1, 1, "Expected sections"),
        ("just words", 1, 1, "Expected sections"),
        ("a: &x 1", 1, 4, "anchors and aliases"),
        ("a: !!int 1", 1, 4, "tags"),
        ("a: 1\n---\nb: 2", 2, 1, "Only one YAML document"),
        ("[a, b]: c", 1, 1, "A key must be plain text"),
        ("? [a]\n: b", 1, 3, "A key must be plain text"),
        ("a: '{% if x %}'", 1, 4, "Template statements"),
        ('a: "\\0"', 1, 4, "NUL"),
    ],
)
def test_unreadable_texts_name_their_line_and_column(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(BadDocument) as bad:
        read_document(text)
    assert words in bad.value.problem.message
    assert (bad.value.problem.line, bad.value.problem.column) == (line, column)


@pytest.mark.parametrize("word", ["0E0", "1e3", "007", "no", "~", "true", "5", ".5", "", "x: y", "# x", "a\nb", " a"])
def test_texts_that_look_like_something_else_are_written_in_quotes(word: str) -> None:
    assert plain(read_document(dump({"a": [word]}))) == {"a": [word]}


@given(st.text(max_size=400))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadDocument):
        assert isinstance(read_document(text), YamlMap)


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(st.characters(codec="utf-8", exclude_characters="\x00{&*!"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc xyz", min_size=1, max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=4), _values, min_size=1, max_size=4))
def test_what_is_written_out_is_read_back(document: dict[str, object]) -> None:
    assert plain(read_document(dump(document))) == document

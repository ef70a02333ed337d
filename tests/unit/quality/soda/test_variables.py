"""`${name}` and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.quality.soda.document import read_document
from services.quality.soda.variables import BadReference, references, resolve, resolve_text


def test_names_are_replaced_once() -> None:
    assert resolve_text("a ${x} ${ y } ${x}", {"x": "1", "y": "${x}"}) == "a 1 ${x} 1"


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    with pytest.raises(BadReference, match="`z` is not declared; known variables: x, y"):
        resolve_text("${z}", {"x": "1", "y": "2"})


@pytest.mark.parametrize("text", ["${env_var('X')}", "${a.b}", "${a|b}", "${}", "${1}", "${a", "${a b}", "${''.__class__}", "${${a}}"])
def test_anything_but_a_name_is_refused(text: str) -> None:
    with pytest.raises(BadReference, match=r"only `\$\{name\}` with a declared name"):
        resolve_text(text, {"a": "1"})


def test_keys_and_values_of_any_depth_are_resolved_and_keep_their_places() -> None:
    document = read_document("a:\n  - ${x}: [1, '${y}']\n")
    resolved = resolve(document, {"x": "k", "y": "v"})
    assert resolved == {"a": [{"k": [1, "v"]}]}
    assert references(document) == {"x", "y"}


@given(st.text(max_size=200), st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=20)))
def test_texts_without_references_stay_as_they_are(text: str, values: dict[str, str]) -> None:
    if "${" not in text:
        assert resolve_text(text, values) == text

"""The shape of `drift_yaml`. What its keys mean is the drift service's to say; here it is bounded, and a mapping."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from services.common.errors import FieldViolation
from services.registry.domain.text import check_size

MAX_BYTES = 64 * 1024
# Deeper than any real settings; the parser of flow collections is recursive in C, and would end the process.
MAX_DEPTH = 20


def check_drift_yaml(field: str, text: str) -> Iterator[FieldViolation]:
    """What is wrong with `text` as drift settings; an empty one is fine."""
    oversize = list(check_size(field, text, MAX_BYTES))
    yield from oversize
    if oversize or not text.strip():
        return
    problem = _problem(text)
    if problem:
        yield FieldViolation(field, problem)


def _problem(text: str) -> str | None:
    try:
        return _walk(text)
    except yaml.MarkedYAMLError as error:
        return f"{_place(error.problem_mark or error.context_mark)}{error.problem or error.context or 'this is not YAML'}"
    except yaml.YAMLError:
        # A reader error: its text quotes raw bytes, which help nobody.
        return "holds a character that YAML does not allow"


def _walk(text: str) -> str | None:
    """Go through the parser's events, which cost no more than the text is long, whatever it would expand to."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        place = _place(event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                return f"{place}one YAML document is expected, and here starts a second"
        if isinstance(event, yaml.AliasEvent):
            return f"{place}aliases (*name) are not allowed"
        if isinstance(event, yaml.ScalarEvent | yaml.SequenceStartEvent) and depth == 0:
            return f"{place}a mapping of settings is expected, such as `watch: [volume]`"
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            return f"{place}nested more than {MAX_DEPTH} levels deep"
    return None


def _place(mark: Any) -> str:
    # The stubs know two kinds of marks, of the parser in Python and the one in C; both count from 0.
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""

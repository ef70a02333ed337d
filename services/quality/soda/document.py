"""YAML text to a tree that knows its lines, within bounds that no hostile text can pass.

The text is read once as a stream of parser events, so depth, size and aliases are refused before anything is built.
Scalars follow the YAML 1.2 core schema (`no` is the word "no"), as SodaCL always has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from services.quality.domain.scan import CheckProblem

MAX_BYTES = 256 * 1024
MAX_DEPTH = 12
MAX_NODES = 20_000
MAX_SCALAR = 32_768
"""Characters of one value: a long query fits; a megabyte in one name does not."""

Position = tuple[int, int]
"""1-based line and column."""
Value = object
"""None, bool, int, float, str, `YamlMap` or `YamlList`."""


class BadDocument(Exception):
    """The text as a whole cannot be read."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.problem = CheckProblem(line=line, column=column, message=message)


class YamlMap(dict[str, Value]):
    """A YAML mapping; `positions` tells where each key stands, `repeated` lists keys written again."""

    __slots__ = ("entries", "position", "positions", "repeated")

    def __init__(self, position: Position) -> None:
        super().__init__()
        self.position = position
        self.positions: dict[str, Position] = {}
        self.repeated: list[tuple[str, Position]] = []
        self.entries: list[tuple[str, Position, Value]] = []

    def put(self, key: str, position: Position, value: Value) -> None:
        self.entries.append((key, position, value))
        if key in self:
            self.repeated.append((key, position))
            return
        self[key] = value
        self.positions[key] = position


class YamlList(list[Value]):
    """A YAML sequence; `positions` tells where each element stands."""

    __slots__ = ("position", "positions")

    def __init__(self, position: Position) -> None:
        super().__init__()
        self.position = position
        self.positions: list[Position] = []

    def put(self, position: Position, value: Value) -> None:
        self.append(value)
        self.positions.append(position)


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been seen yet."""

    node: YamlMap | YamlList
    key: tuple[str, Position] | None = None

    def add(self, position: Position, value: Value, raw: str | None) -> None:
        if isinstance(self.node, YamlList):
            self.node.put(position, value)
        elif self.key is None:
            if raw is None:
                raise BadDocument(*position, "A key must be plain text, but a list or an object was found.")
            self.key = (raw, position)
        else:
            self.node.put(self.key[0], self.key[1], value)
            self.key = None


def read_document(text: str) -> YamlMap:
    """Read one YAML mapping.

    Raises BadDocument, naming line and column, for anything but one mapping of plain values within the bounds above.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise BadDocument(0, 0, f"The checks are larger than {MAX_BYTES // 1024} KB; split them over several datasets.")
    try:
        root = _build(text)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error) from None
    except (yaml.YAMLError, ValueError) as error:
        raise BadDocument(0, 0, f"The text is not valid YAML: {_first_line(str(error))}.") from None
    if root is None:
        raise BadDocument(0, 0, "No checks found: expected at least one section such as `checks for TABLE:`.")
    if not isinstance(root, YamlMap):
        raise BadDocument(1, 1, "Expected sections such as `checks for TABLE:` at the top, but found a list or a single value.")
    return root


def _build(text: str) -> Value:
    stack: list[_Open] = []
    root: Value = None
    for position, value, raw, event in _nodes(text):
        if isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
            continue
        if stack:
            stack[-1].add(position, value, raw)
        else:
            root = value
        if isinstance(event, yaml.CollectionStartEvent):
            if len(stack) >= MAX_DEPTH:
                raise BadDocument(*position, f"Nested deeper than {MAX_DEPTH} levels.")
            assert isinstance(value, (YamlMap, YamlList))  # noqa: S101 (a start event always builds a collection)
            stack.append(_Open(value))
    return root


def _nodes(text: str) -> Iterator[tuple[Position, Value, str | None, yaml.Event]]:
    count = documents = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        position = _position(event)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise BadDocument(*position, "Only one YAML document is allowed; remove the `---` line.")
        elif isinstance(event, yaml.NodeEvent):
            count += 1
            if count > MAX_NODES:
                raise BadDocument(*position, f"More than {MAX_NODES} values; split the checks over several datasets.")
            _refuse_indirection(event, position)
            yield position, *_value_of(event, position), event
        elif isinstance(event, yaml.CollectionEndEvent):
            yield position, None, None, event


def _position(event: yaml.Event) -> Position:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


def _refuse_indirection(event: yaml.NodeEvent, position: Position) -> None:
    if event.anchor is not None:
        raise BadDocument(*position, "YAML anchors and aliases (`&name`, `*name`) are not allowed; write the value out.")
    if getattr(event, "tag", None) not in (None, "!"):
        raise BadDocument(*position, "YAML tags (`!name`) are not allowed; write a plain value.")


def _value_of(event: yaml.NodeEvent, position: Position) -> tuple[Value, str | None]:
    if isinstance(event, yaml.MappingStartEvent):
        return YamlMap(position), None
    if isinstance(event, yaml.SequenceStartEvent):
        return YamlList(position), None
    assert isinstance(event, yaml.ScalarEvent)  # noqa: S101 (what is left of the node events: aliases were refused)
    raw = str(event.value)
    if len(raw) > MAX_SCALAR:
        raise BadDocument(*position, f"A value of {len(raw)} characters; at most {MAX_SCALAR} are allowed.")
    if "{%" in raw:
        raise BadDocument(*position, "Template statements (`{% … %}`) are not supported; only `${name}` variables are.")
    if "\x00" in raw:
        raise BadDocument(*position, "A value holds a NUL character.")
    return (plain_scalar(raw) if event.implicit[0] else raw), raw


_INT = re.compile(r"[-+]?[0-9]{1,30}\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?\Z")
_WORDS: dict[str, Value] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


def plain_scalar(raw: str) -> Value:
    """What an unquoted word means: null, a truth value, a number, or the word itself."""
    if raw in _WORDS:
        return _WORDS[raw]
    if _INT.match(raw):
        # A leading zero is a code (a postal code, an account), not a number: 01234 would lose its zero.
        return raw if len(raw.lstrip("+-")) > 1 and raw.lstrip("+-").startswith("0") else int(raw)
    return float(raw) if _FLOAT.match(raw) and len(raw) < 40 else raw


def _syntax_error(error: yaml.MarkedYAMLError) -> BadDocument:
    mark = error.problem_mark or error.context_mark
    reason = _first_line(error.problem or error.context or "unreadable")
    context = f" ({_first_line(error.context)})" if error.context and error.problem else ""
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    return BadDocument(line, column, f"YAML syntax error: {reason}{context}.")


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:200] if text.strip() else "unreadable"

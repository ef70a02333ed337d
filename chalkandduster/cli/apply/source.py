"""Takes the checks out of a manifest as they are written, comments included, so that an error can name their line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import yaml
from yaml.constructor import SafeConstructor

from chalkandduster.cli.apply.files import Document
from chalkandduster.cli.apply.problem import Place

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.$]*")
_LIST_INDENT = 2


@dataclass(frozen=True, slots=True)
class Source:
    """A text for the platform, and where its lines come from."""

    text: str
    place: Place
    """Where it starts."""
    line_offset: int | None = None
    """Added to a line of the text, it is a line of the file; None when lines do not correspond."""
    column_offset: int = 0

    def place_of(self, line: int, column: int) -> Place:
        """The spot in the file of a spot in the text; line 0 is about the whole text."""
        if self.line_offset is None or line < 1 or line + self.line_offset < 1:
            return self.place
        return Place(self.place.file, line + self.line_offset, max(column + self.column_offset, 1) if column else 0)


def from_file(file: Path, text: str) -> Source:
    """The text of a file of its own."""
    return Source(text, Place(file, 1), 0)


def from_entry(document: Document, key: yaml.Node, node: yaml.Node, table: str) -> Source:
    """The text of the value of `key`: a block of text, or YAML written in place. A list is read as the checks of `table`."""
    place = Place.of(document.file, node.start_mark)
    if isinstance(node, yaml.ScalarNode):
        return _from_scalar(document, node, place)
    is_list = isinstance(node, yaml.SequenceNode)
    heading = f"{_heading(table)}\n" if is_list and table else ""
    # In `[…]` and `{…}` comments are rare and lines few.
    if isinstance(node, yaml.CollectionNode) and node.flow_style:
        content = yaml.safe_dump(SafeConstructor().construct_object(node, deep=True), sort_keys=False, allow_unicode=True)
        return Source(heading + content, place)
    # From the line after the key, so that a comment above the first check is kept; but `checks: *shared` stands elsewhere.
    start, column = node.start_mark.line, node.start_mark.column
    start = key.start_mark.line + 1 if key.start_mark.line < start else start
    lines = document.lines[start : max(node.end_mark.line, node.start_mark.line + 1)]
    body = (line.lstrip() if line[:column].strip() else line[column:] for line in lines)
    indent = " " * _LIST_INDENT if heading else ""
    text = heading + "".join(f"{indent}{line}\n" for line in body)
    return Source(text, place, start - bool(heading), column - len(indent))


def _from_scalar(document: Document, node: yaml.ScalarNode, place: Place) -> Source:
    if node.style != "|":
        return Source(node.value, place)
    # The text starts in the line after the `|`; its indentation is what the value has lost.
    offset, first = node.start_mark.line + 1, next((line for line in node.value.split("\n") if line.strip()), "")
    written = next((line for line in document.lines[offset:] if line.strip()), "")
    return Source(node.value, place, offset, max(len(written) - len(first), 0))


def _heading(table: str) -> str:
    heading = f"checks for {table}"
    return f"{heading}:" if _PLAIN_NAME.fullmatch(table) else f"{json.dumps(heading, ensure_ascii=False)}:"

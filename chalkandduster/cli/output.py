"""What commands print: JSON for machines, tables for people."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chalkandduster.cli.text import clean

# Where nothing tells the width (a pipe, a CI log), lines this long keep a row on one line.
_WIDTH_WITHOUT_TERMINAL = 200
# An id is copied: it is broken after everything else, unless there is no room for anything beside it.
_MIN_WIDTHS = {"run": 36}
_NARROW = 110
VERDICT_STYLES = {"PASS": "green", "WARN": "yellow", "FAIL": "red", "ERROR": "magenta", "NOT_EVALUATED": "dim"}
_STATE_STYLES = {"RUNNING": "cyan", "QUEUED": "cyan", "ERRORED": "magenta", "CANCELLED": "dim", "READY": "green", "RESTARTING": "red"}


def console(stderr: bool = False) -> Console:
    """A console that prints text as it is: no markup, no guessed colours, one line a row when there is no terminal."""
    made = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _WIDTH_WITHOUT_TERMINAL
    return made


def as_dict(message: Message) -> dict[str, Any]:
    """A message as REST shows it: the field names of the protos, zero values included."""
    answer: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return answer


def print_json(content: Any) -> None:
    """Prints a value as indented JSON."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def print_json_line(content: Any) -> None:
    """Prints a value as one line of JSON."""
    click.echo(json.dumps(content, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """Prints rows under their headings, or the sentence `empty` when there are none."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    screen = console()
    for column in columns:
        table.add_column(column, overflow="fold", min_width=_MIN_WIDTHS.get(column) if screen.width >= _NARROW else None)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    screen.print(table if table.row_count else empty)


def say(text: str) -> None:
    """Prints a line for people."""
    click.echo(clean(text))


def _cell(value: str) -> Text:
    return Text(clean(value), style=VERDICT_STYLES.get(value) or _STATE_STYLES.get(value, ""))

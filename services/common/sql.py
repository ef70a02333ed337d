"""Named SQL statements, kept in .sql files beside the code that runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files

_HEADING = re.compile(r"^-- ([a-z][a-z0-9_]*) --[ \t]*$", re.MULTILINE)


class StatementError(Exception):
    """A .sql file breaks the format; the text names the file and the block."""


class Statements(Mapping[str, str]):
    """The statements of one file by name, also as attributes: `runs["claim_run"]`, `runs.claim_run`."""

    def __init__(self, statements: Mapping[str, str], source: str) -> None:
        self._statements = dict(statements)
        self._source = source

    def __getitem__(self, name: str) -> str:
        return self._statements[name]

    def __getattr__(self, name: str) -> str:
        try:
            return self._statements[name]
        except KeyError:
            raise AttributeError(f"{self._source} has no statement {name!r}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._statements)

    def __len__(self) -> int:
        return len(self._statements)


def load_statements(package: str, filename: str) -> Statements:
    """The statements of `filename` in `package`, for example `("services.quality.storage.sql", "runs.sql")`.

    A block is a heading `-- name --`, one or more comment lines that say what it is for, and the statement. Raises
    StatementError for a name used twice, a block without purpose or without statement, and text before the first block.
    """
    return parse_statements(files(package).joinpath(filename).read_text(encoding="utf-8"), filename)


def parse_statements(text: str, source: str) -> Statements:
    """The statements in `text`; `source` is named in errors, which are as in `load_statements`."""
    preface, *parts = _HEADING.split(text)
    if any(line.strip() and not line.startswith("--") for line in preface.splitlines()):
        raise StatementError(f"{source}: there is SQL before the first `-- name --`")
    statements: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in statements:
            raise StatementError(f"{source}: the statement {name!r} is there twice")
        statements[name] = _statement(body, name, source)
    return Statements(statements, source)


def _statement(body: str, name: str, source: str) -> str:
    first, _, rest = body.strip().partition("\n")
    if not first.startswith("-- "):
        raise StatementError(f"{source}: the line after `-- {name} --` must say what it is for")
    statement = rest.strip().rstrip(";").rstrip()
    if not any(line.strip() and not line.lstrip().startswith("--") for line in statement.splitlines()):
        raise StatementError(f"{source}: the block {name!r} has no statement")
    return statement

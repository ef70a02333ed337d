"""What a warehouse says about a failed statement, in words that a writer of checks understands."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from services.quality.soda.names import Names
from services.quality.soda.session import StatementFailed
from services.quality.soda.vocabulary import did_you_mean

_NAME = r"""["'`]*([^"'`\s]+(?:[^"'`]*[^"'`\s])?)["'`]*"""
_COLUMN = [
    re.compile(rf"invalid identifier {_NAME}", re.IGNORECASE),
    re.compile(rf"Referenced column {_NAME} not found", re.IGNORECASE),
    re.compile(rf"does not have a column named {_NAME}", re.IGNORECASE),
    re.compile(r"column \"?([\w$. ]+?)\"? does not exist", re.IGNORECASE),
]
_TABLE = [
    re.compile(r"(?:Object|Table|View) ['\"]+([^'\"]+)['\"]+ does not exist", re.IGNORECASE),
    re.compile(r"Table with name ([^\s!]+) does not exist", re.IGNORECASE),
    re.compile(r"relation \"([^\"]+)\" does not exist", re.IGNORECASE),
]
_NOISE = re.compile(
    r"^(?:\d{6} \([0-9A-Z]{5}\): )?(?:[0-9a-f-]{36}: )?(?:SQL compilation error:)?\s*(?:error line \d+ at position \d+)?\s*", re.IGNORECASE
)

_DATA = re.compile(
    r"(?P<what>invalid input (?:syntax|value) for [\w ]+:|value|convert string|date/time field value out of range:)"
    r"""\s+(?:"[^"]*"|'(?:[^']|'')*')""",
    re.IGNORECASE,
)
"""A value of a row in a message about a conversion. Rows are only shown where the dataset's sample policy allows it."""


class Explainer:
    """Words failures of one scan; asks the warehouse for the names that do exist, once per table."""

    def __init__(self, names: Names, columns: Callable[[str], Sequence[str]], tables: Callable[[str], Sequence[str]]) -> None:
        self._names = names
        self._columns = columns
        self._tables = tables

    def explain(self, failure: StatementFailed, tables: Sequence[str], columns: Sequence[tuple[str, str]] = ()) -> str:
        """One sentence. `tables` are the tables of the check, as written, the measured one first; `columns` are the
        (table, column) pairs of a check that reads several tables."""
        if failure.kind != "sql":
            return failure.message
        column = _first(_COLUMN, failure.message)
        if column:
            return self._missing_of_several(columns) or self._missing_column(column, tables)
        table = _first(_TABLE, failure.message)
        if table:
            return self._missing_table(table)
        if tables and failure.message.startswith("The table does not exist"):
            return self._missing_table(tables[0])
        if _is_ours(failure.message):
            return failure.message
        text = _DATA.sub(r"\g<what> …", _NOISE.sub("", failure.message)).strip()[:400].rstrip(".")
        return f"The warehouse refused the statement: {text}."

    def _missing_of_several(self, columns: Sequence[tuple[str, str]]) -> str:
        """The column that is not in its own table. The warehouse may name the alias of the table, or a column of that name
        that the other table lacks too."""
        for table, written in columns:
            known = self._columns(table)
            if known and self._names.fold(written) not in known:
                return self._missing_column(self._names.fold(written), [table])
        return ""

    def _missing_column(self, column: str, tables: Sequence[str]) -> str:
        name = column.rsplit(".", 1)[-1].strip('"')
        for table in tables:
            known = self._columns(table)
            if known and name not in known:
                exact = next((other for other in known if other.casefold() == name.casefold()), "")
                hint = f'; write "{exact}" in double quotes.' if exact else did_you_mean(name, known)
                return f"Column {name} does not exist in {self._names.locate(table).table}{hint or '.'}"
        where = f" in {self._names.locate(tables[0]).table}" if tables else ""
        return f"Column {name} does not exist{where}."

    def _missing_table(self, table: str) -> str:
        place = self._names.locate(table)
        hint = did_you_mean(place.table, self._tables(place.schema))
        return f"Table {place.table} does not exist in schema {place.schema}, or the login may not read it{hint or '.'}"


_OURS = ("The query ", "The value ", "The table ")


def _is_ours(message: str) -> bool:
    return message.startswith(_OURS)


def _first(patterns: Sequence[re.Pattern[str]], text: str) -> str:
    return next((found.group(1) for pattern in patterns if (found := pattern.search(text))), "")

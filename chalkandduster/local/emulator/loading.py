"""Reads a CSV or Parquet file into a table the way a careful person would: upper-case names, types from the data, NA as NULL."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,254}")
# A header read as one column although it holds one of these: the reader found no delimiter that fits every line.
_DELIMITER = re.compile(r"[,;\t|]")
_NULLS = "['', 'NA']"
_READERS = {
    ".csv": f"read_csv(?, sample_size = -1, nullstr = {_NULLS}, header = true)",
    ".csv.gz": f"read_csv(?, sample_size = -1, nullstr = {_NULLS}, header = true, compression = 'gzip')",
    ".parquet": "read_parquet(?)",
}
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})
_KEPT = frozenset({"BOOLEAN", "DATE", "TIME", "DOUBLE", "BLOB"})


class LoadError(Exception):
    """The file cannot become a table; the text says which file and why in one sentence."""


def suffix_of(path: Path) -> str:
    """The file's kind. Raises LoadError if it is none of those that can be read."""
    for suffix in sorted(_READERS, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return suffix
    raise LoadError(f"{path.name} is not a .csv, .csv.gz or .parquet file")


def clean_name(text: str) -> str:
    """`text` as an unquoted identifier: upper case, other characters as underscores, never empty, at most 255 characters."""
    name = re.sub(r"[^A-Z0-9_$]+", "_", text.strip().upper()).strip("_") or "COLUMN"
    return (name if not name[0].isdigit() else f"_{name}")[:255]


def table_name_of(path: Path) -> str:
    """The table a file is loaded into when none is named: its name without the ending."""
    return clean_name(path.name[: -len(suffix_of(path))])


def unique_names(names: Iterable[str]) -> list[str]:
    """Each name cleaned; a name that comes again gets _2, _3 and so on."""
    taken: set[str] = set()
    result = []
    for name in map(clean_name, names):
        candidate, number = name, 2
        while candidate in taken:
            candidate, number = f"{name}_{number}", number + 1
        taken.add(candidate)
        result.append(candidate)
    return result


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a file holds."""

    table: Any
    """An Arrow table of the types Snowflake has."""
    variants: tuple[str, ...]
    """Columns whose text is JSON, for what was a list or a struct."""


def read_file(path: Path) -> FileContent:
    """The file, read whole. Raises LoadError."""
    suffix = suffix_of(path)
    if not path.is_file():
        raise LoadError(f"there is no file {path}")
    if path.stat().st_size == 0:
        raise LoadError(f"{path.name} is empty")
    # A connection of its own: the emulator's may not open files, so that no statement of a client can.
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            source = _READERS[suffix]
            columns = connection.execute(f"DESCRIBE SELECT * FROM {source}", [str(path)]).fetchall()  # noqa: S608
            if len(columns) == 1 and _DELIMITER.search(columns[0][0]):
                raise LoadError(f"{path.name} could not be read: its lines have different numbers of fields")
            names = unique_names(column[0] for column in columns)
            casts = [_converted(_quoted(column[0]), column[1]) for column in columns]
            selected = ", ".join(f"{cast} AS {_quoted(name)}" for cast, name in zip(casts, names, strict=True))
            table = connection.sql(f"SELECT {selected} FROM {source}", params=[str(path)]).to_arrow_table()  # noqa: S608
            return FileContent(table, tuple(name for cast, name in zip(casts, names, strict=True) if cast.startswith("to_json(")))
        except duckdb.Error as error:
            raise LoadError(f"{path.name} could not be read: {_reason(error)}") from error


def _reason(error: duckdb.Error) -> str:
    text = str(error)
    if "Invalid unicode" in text or "utf-8" in text.lower():
        return "it is not text in UTF-8"
    # What comes after an empty line is advice about DuckDB's own options.
    return " ".join(line.strip() for line in text.split("\n\n")[0].splitlines())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _converted(column: str, kind: str) -> str:
    """The column cast to one of the types that fakesnow uses for Snowflake's."""
    if kind in _KEPT or kind.startswith("DECIMAL"):
        return column
    if kind in _INTEGERS:
        return f"{column}::BIGINT"
    if kind in {"UBIGINT", "HUGEINT", "UHUGEINT"}:
        return f"{column}::DECIMAL(38, 0)"
    if kind in {"FLOAT", "REAL"}:
        return f"{column}::DOUBLE"
    if kind.startswith("TIMESTAMP"):
        return f"{column}::TIMESTAMP"
    if kind.endswith("[]") or kind.startswith(("STRUCT", "MAP")):
        return f"to_json({column})"
    return f"{column}::VARCHAR"

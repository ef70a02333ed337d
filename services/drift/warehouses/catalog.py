"""What catalogues say of a table, read into our words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.drift.domain.dataset import CatalogColumn, CatalogTable
from services.drift.domain.profile import ColumnKind

_NUMBERS = ("NUMBER", "DECIMAL", "NUMERIC", "INT", "BIGINT", "SMALLINT", "TINYINT", "BYTEINT", "FLOAT", "DOUBLE", "REAL", "HUGEINT")
_TEXTS = ("TEXT", "VARCHAR", "CHAR", "CHARACTER", "STRING", "NCHAR", "NVARCHAR")
_SNOWFLAKE_KINDS = {
    **dict.fromkeys(_NUMBERS, ColumnKind.NUMBER),
    **dict.fromkeys(_TEXTS, ColumnKind.TEXT),
    **dict.fromkeys(("DATE", "DATETIME", "TIMESTAMP"), ColumnKind.TIME),
    **{f"TIMESTAMP{dash}{zone}": ColumnKind.TIME for dash in ("_", "") for zone in ("NTZ", "LTZ", "TZ")},
    "BOOLEAN": ColumnKind.FLAG,
}
_POSTGRES_CATEGORIES = {"N": ColumnKind.NUMBER, "S": ColumnKind.TEXT, "B": ColumnKind.FLAG}
_POSTGRES_TIMES = ("date", "timestamp", "timestamptz")
# Has the category of numbers and is none: it cannot be cast to a double.
_POSTGRES_NOT_NUMBERS = ("money", "oid", "regclass", "regproc", "regtype")


def snowflake_kind(data_type: str) -> ColumnKind:
    """How a column of this type is measured; what is not known is only counted."""
    word = data_type.upper().partition("(")[0].strip()
    return _SNOWFLAKE_KINDS.get(word, ColumnKind.OTHER)


def snowflake_type(data_type: str, length: Any, precision: Any, scale: Any) -> str:
    """The type with its size, which tells a wider from a narrower one: `VARCHAR(255)`, `NUMBER(10,2)`."""
    kind = snowflake_kind(data_type)
    if kind is ColumnKind.TEXT and length is not None:
        return f"VARCHAR({int(length)})"
    if kind is ColumnKind.NUMBER and precision is not None and data_type.upper() in ("NUMBER", "DECIMAL", "NUMERIC"):
        return f"NUMBER({int(precision)},{int(scale or 0)})"
    return data_type.upper()


def postgres_kind(type_name: str, category: str) -> ColumnKind:
    """How a column of this type is measured."""
    if type_name in _POSTGRES_TIMES:
        return ColumnKind.TIME
    if type_name in _POSTGRES_NOT_NUMBERS:
        return ColumnKind.OTHER
    return _POSTGRES_CATEGORIES.get(category, ColumnKind.OTHER)


def chosen_place(places: Sequence[tuple[str, str]], schema: str, table: str) -> tuple[str, str] | None:
    """The stored schema and table that are meant: those written exactly so, else the only ones that differ in case alone."""
    unique = list(dict.fromkeys(places))
    for wanted in (
        [place for place in unique if place == (schema, table)],
        [place for place in unique if place[1] == table],
        [place for place in unique if place[0] == schema],
        unique,
    ):
        if len(wanted) == 1:
            return wanted[0]
    return None


def table_of(path: tuple[str, ...], columns: Sequence[tuple[str, str, bool, ColumnKind]]) -> CatalogTable:
    """The table from (name, type, nullable, kind) of its columns, in their order."""
    numbered = (CatalogColumn(name, declared, nullable, at, kind) for at, (name, declared, nullable, kind) in enumerate(columns, start=1))
    return CatalogTable(path, tuple(numbered))

"""Types by what they hold, so that two spellings of one type never look like a change."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.drift.domain.profile import ColumnKind
from services.drift.domain.schema import TypeDirection

_PATTERN = re.compile(
    r"^\s*([A-Za-z_][A-Za-z0-9_ ]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(-?\d+)\s*)?\))?\s*(with(?:out)? time zone)?\s*(\[\])?\s*$", re.IGNORECASE
)
TEXT_LIMIT = 16_777_216
SNOWFLAKE_INTEGERS = ("int", "integer", "bigint", "smallint", "tinyint", "byteint")
INTEGER_DIGITS = {"smallint": 5, "int2": 5, "integer": 10, "int": 10, "int4": 10, "bigint": 19, "int8": 19, "serial": 10, "bigserial": 19}
NAMES = {
    "numeric": "decimal",
    "number": "decimal",
    "decimal": "decimal",
    "dec": "decimal",
    "float": "float",
    "float4": "real",
    "float8": "float",
    "double": "float",
    "double precision": "float",
    "real": "real",
    "varchar": "text",
    "string": "text",
    "text": "text",
    "character varying": "text",
    "nvarchar": "text",
    "char varying": "text",
    "char": "char",
    "character": "char",
    "bpchar": "char",
    "nchar": "char",
    "timestamp": "timestamp",
    "timestamp_ntz": "timestamp",
    "datetime": "timestamp",
    "timestampntz": "timestamp",
    "timestamp_tz": "timestamptz",
    "timestamptz": "timestamptz",
    "timestamp_ltz": "timestampltz",
    "timestampltz": "timestampltz",
    "boolean": "bool",
    "bool": "bool",
    "date": "date",
    "time": "time",
    "variant": "variant",
    "json": "json",
    "jsonb": "json",
}
KINDS = {
    "decimal": ColumnKind.NUMBER,
    "float": ColumnKind.NUMBER,
    "real": ColumnKind.NUMBER,
    "text": ColumnKind.TEXT,
    "char": ColumnKind.TEXT,
    "timestamp": ColumnKind.TIME,
    "timestamptz": ColumnKind.TIME,
    "timestampltz": ColumnKind.TIME,
    "date": ColumnKind.TIME,
    "bool": ColumnKind.FLAG,
}


@dataclass(frozen=True, slots=True)
class ColumnType:
    """Family and size; equal objects hold the same values."""

    family: str
    size: int | None = None
    scale: int | None = None

    @property
    def kind(self) -> ColumnKind:
        return KINDS.get(self.family, ColumnKind.OTHER)


def parse_type(text: str, dialect: str = "snowflake") -> ColumnType:
    """The type behind a spelling; a name that is not known is its own family.

    >>> parse_type("NUMBER(38,0)") == parse_type("BIGINT"), parse_type("BIGINT", "postgres").size
    (True, 19)
    """
    found = _PATTERN.match(text)
    if found is None:
        return ColumnType(text.strip().lower())
    name, size, scale = " ".join(found[1].lower().split()), found[2], found[3]
    if found[4]:
        name = "timestamptz" if found[4].lower() == "with time zone" and name.startswith("timestamp") else name
    if found[5]:
        return ColumnType(f"{name}[]")
    snowflake = dialect == "snowflake"
    if snowflake and name in SNOWFLAKE_INTEGERS:
        return ColumnType("decimal", 38, 0)
    if name in INTEGER_DIGITS:
        return ColumnType("decimal", INTEGER_DIGITS[name], 0)
    family = NAMES.get(name, name)
    return _sized(family, int(size) if size else None, int(scale) if scale else None, snowflake)


def _sized(family: str, size: int | None, scale: int | None, snowflake: bool) -> ColumnType:
    if family == "decimal":
        if size is None:
            return ColumnType("decimal", 38, 0) if snowflake else ColumnType("decimal")
        return ColumnType("decimal", size, scale or 0)
    if family == "real" and snowflake:
        return ColumnType("float")
    if family in ("text", "char"):
        if snowflake:
            return ColumnType("text", size or (1 if family == "char" else TEXT_LIMIT))
        return ColumnType(family, size or (1 if family == "char" else None))
    if family.startswith("timestamp"):
        default = 9 if snowflake else 6
        return ColumnType(family, default if size is None else size)
    return ColumnType(family)


def direction(before: ColumnType, after: ColumnType) -> TypeDirection:
    """Whether every value of the old type fits the new one.

    >>> [direction(parse_type(a), parse_type(b)).value for a, b in (("VARCHAR(10)", "TEXT"), ("NUMBER(12,2)", "NUMBER(38,0)"))]
    ['widened', 'narrowed']
    """
    if before.family == after.family:
        if before.family == "decimal":
            return _decimal_direction(before, after)
        old, new = before.size or TEXT_LIMIT, after.size or TEXT_LIMIT
        return TypeDirection.WIDENED if new >= old else TypeDirection.NARROWED
    wider = {("decimal", "float"), ("real", "float"), ("date", "timestamp"), ("date", "timestamptz"), ("char", "text")}
    if (before.family, after.family) in wider or (after.family == "text" and before.kind is not ColumnKind.OTHER):
        return TypeDirection.WIDENED
    narrower = {(b, a) for a, b in wider} | {("float", "decimal"), ("timestamp", "date")}
    if (before.family, after.family) in narrower or before.family == "text":
        return TypeDirection.NARROWED
    return TypeDirection.OTHER


def _decimal_direction(before: ColumnType, after: ColumnType) -> TypeDirection:
    if before.size is None or after.size is None:
        return TypeDirection.WIDENED if after.size is None else TypeDirection.NARROWED
    fits = (after.scale or 0) >= (before.scale or 0) and after.size - (after.scale or 0) >= before.size - (before.scale or 0)
    return TypeDirection.WIDENED if fits else TypeDirection.NARROWED

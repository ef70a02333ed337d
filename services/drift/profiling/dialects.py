"""The few expressions that differ between warehouses. Everything else in the profile is SQL that all three read alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

_NUMBER_PATTERN = "^[ ]*[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?[ ]*$"
_DATE_PATTERN = "^[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}([ T].*)?$"


def quote_identifier(name: str) -> str:
    """Double-quoted identifier; NUL is refused because no warehouse can hold it and drivers cut at it."""
    if not name or "\x00" in name:
        raise ValueError("an identifier must not be empty or hold a NUL character")
    return '"' + name.replace('"', '""') + '"'


def quote_text(value: str) -> str:
    """Single-quoted literal for text of ours (timestamps, salts): quotes doubled, backslashes and NUL refused."""
    if "\x00" in value or "\\" in value:
        raise ValueError("a text literal must not hold NUL or a backslash")
    return "'" + value.replace("'", "''") + "'"


class Dialect(Protocol):
    """Expressions of one warehouse; arguments are SQL expressions, already quoted."""

    name: str

    def distinct(self, expression: str, exact: bool) -> str: ...
    def quantiles(self, expression: str, levels: Sequence[float], exact: bool) -> list[str]:
        """One expression per level, or a single expression that answers an array."""
        ...

    def seconds_between(self, start: str, end: str) -> str: ...
    def epoch(self, expression: str) -> str: ...
    def double(self, expression: str) -> str: ...
    def text(self, expression: str) -> str: ...
    def matches(self, expression: str, pattern: str) -> str: ...
    def row_hash(self, columns: Sequence[str]) -> str: ...
    def value_hash(self, expression: str) -> str: ...
    def sample(self, share: float) -> str:
        """Clause after the table name."""
        ...


def is_number(dialect: Dialect, expression: str) -> str:
    return dialect.matches(expression, _NUMBER_PATTERN)


def is_date(dialect: Dialect, expression: str) -> str:
    return dialect.matches(expression, _DATE_PATTERN)


class SnowflakeDialect:
    """Also what the emulator (fakesnow) reads."""

    name = "snowflake"

    def distinct(self, expression: str, exact: bool) -> str:
        return f"COUNT(DISTINCT {expression})" if exact else f"APPROX_COUNT_DISTINCT({expression})"

    def quantiles(self, expression: str, levels: Sequence[float], exact: bool) -> list[str]:
        if exact:
            return [f"PERCENTILE_CONT({p}) WITHIN GROUP (ORDER BY {expression})" for p in levels]
        return [f"APPROX_PERCENTILE({expression}, {p})" for p in levels]

    def seconds_between(self, start: str, end: str) -> str:
        return f"DATEDIFF('second', {start}, {end})"

    def epoch(self, expression: str) -> str:
        return f"DATE_PART(EPOCH_SECOND, {expression})"

    def double(self, expression: str) -> str:
        return f"CAST({expression} AS DOUBLE)"

    def text(self, expression: str) -> str:
        return f"CAST({expression} AS VARCHAR)"

    def matches(self, expression: str, pattern: str) -> str:
        return f"REGEXP_LIKE({expression}, {quote_text(pattern)})"

    def row_hash(self, columns: Sequence[str]) -> str:
        return f"HASH({', '.join(columns)})"

    def value_hash(self, expression: str) -> str:
        return f"LEFT(MD5({expression}), 16)"

    def sample(self, share: float) -> str:
        return f" SAMPLE BERNOULLI ({share * 100:g})" if share < 1 else ""


class PostgresDialect:
    """Postgres 15 and later, core functions only."""

    name = "postgres"

    def distinct(self, expression: str, exact: bool) -> str:
        return f"COUNT(DISTINCT {expression})"

    def quantiles(self, expression: str, levels: Sequence[float], exact: bool) -> list[str]:
        array = ", ".join(str(p) for p in levels)
        return [f"percentile_cont(ARRAY[{array}]::double precision[]) WITHIN GROUP (ORDER BY {expression})"]

    def seconds_between(self, start: str, end: str) -> str:
        return f"EXTRACT(EPOCH FROM ({end}) - ({start}))::double precision"

    def epoch(self, expression: str) -> str:
        return f"EXTRACT(EPOCH FROM {expression})::double precision"

    def double(self, expression: str) -> str:
        return f"CAST({expression} AS DOUBLE PRECISION)"

    def text(self, expression: str) -> str:
        return f"CAST({expression} AS TEXT)"

    def matches(self, expression: str, pattern: str) -> str:
        return f"({expression}) ~ {quote_text(pattern)}"

    def row_hash(self, columns: Sequence[str]) -> str:
        return f"hashtextextended(CAST(ROW({', '.join(columns)}) AS TEXT), 0)"

    def value_hash(self, expression: str) -> str:
        return f"LEFT(MD5({expression}), 16)"

    def sample(self, share: float) -> str:
        return f" TABLESAMPLE BERNOULLI ({share * 100:g})" if share < 1 else ""


class DuckDbDialect:
    """DuckDB, for the benchmark and local files."""

    name = "duckdb"

    def distinct(self, expression: str, exact: bool) -> str:
        return f"COUNT(DISTINCT {expression})" if exact else f"APPROX_COUNT_DISTINCT({expression})"

    def quantiles(self, expression: str, levels: Sequence[float], exact: bool) -> list[str]:
        array = ", ".join(str(p) for p in levels)
        return [f"{'quantile_cont' if exact else 'approx_quantile'}({expression}, [{array}])"]

    def seconds_between(self, start: str, end: str) -> str:
        return f"(epoch({end}) - epoch({start}))"

    def epoch(self, expression: str) -> str:
        return f"epoch({expression})"

    def double(self, expression: str) -> str:
        return f"CAST({expression} AS DOUBLE)"

    def text(self, expression: str) -> str:
        return f"CAST({expression} AS VARCHAR)"

    def matches(self, expression: str, pattern: str) -> str:
        return f"regexp_matches({expression}, {quote_text(pattern)})"

    def row_hash(self, columns: Sequence[str]) -> str:
        return f"hash({', '.join(columns)})"

    def value_hash(self, expression: str) -> str:
        return f"LEFT(MD5({expression}), 16)"

    def sample(self, share: float) -> str:
        return f" TABLESAMPLE bernoulli({share * 100:g} PERCENT)" if share < 1 else ""


DIALECTS: dict[str, Dialect] = {d.name: d for d in (SnowflakeDialect(), PostgresDialect(), DuckDbDialect())}

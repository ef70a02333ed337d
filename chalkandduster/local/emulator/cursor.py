"""fakesnow's cursor with the errors and functions that a real Snowflake account has."""

from __future__ import annotations

import re
from collections import OrderedDict
from pathlib import Path
from typing import Any, cast

import duckdb
import fakesnow.arrow
import pyarrow as pa
from fakesnow.conn import FakeSnowflakeConnection
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.instance import FakeSnow
from snowflake.connector.cursor import DictCursor, SnowflakeCursor
from snowflake.connector.errors import ProgrammingError
from sqlglot import exp

CANCELLED_ERRNO = 604
CANCELLED_SQLSTATE = "57014"

_MISSING_COLUMN = re.compile(r'(?:Referenced (?:column|table)|does not have a column named) "(?P<name>[^"]*)"')
_MISSING_OBJECT = re.compile(r"(?:Table|View|Schema) with name (?P<name>.+?) does not exist")
_MISSING_FUNCTION = re.compile(r"Function with name (?P<name>.+?) does not exist", re.IGNORECASE)
_SPACED_OFFSET = re.compile(r"^(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?) ([+-]\d\d:?\d\d)$")

# DuckDB error classes that fakesnow lets through, as the number and SQL state Snowflake answers for the like mistake.
_ERRORS: tuple[tuple[type[duckdb.Error], int, str], ...] = (
    (duckdb.OutOfRangeException, 100039, "22003"),
    (duckdb.ConversionException, 100038, "22018"),
    (duckdb.ConstraintException, 100072, "22000"),
    (duckdb.NotImplementedException, 2, "0A000"),
    (duckdb.PermissionException, 3001, "42501"),
    (duckdb.InvalidInputException, 1065, "22023"),
)


class BoundedResults(OrderedDict[str, tuple[Any, ...]]):
    """The last results by query id; fakesnow keeps every result for ever, which a long-lived server cannot afford."""

    _KEPT = 50

    def __setitem__(self, key: str, value: tuple[Any, ...]) -> None:
        super().__setitem__(key, value)
        while len(self) > self._KEPT:
            self.popitem(last=False)


class EmulatorConnection(FakeSnowflakeConnection):
    """A session's connection; `context` holds what CURRENT_WAREHOUSE() and its kin answer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context: dict[str, str | None] = {}

    def cursor(self, cursor_class: type[SnowflakeCursor] = SnowflakeCursor) -> FakeSnowflakeCursor:
        return EmulatorCursor(conn=self, duck_conn=self._duck_conn, use_dict_result=cursor_class == DictCursor)


class EmulatorAccount(FakeSnow):
    """All databases of one directory, with sessions of our kind."""

    def __init__(self, db_path: Path) -> None:
        super().__init__(db_path=db_path)
        self.results_cache = BoundedResults()

    def connect(
        self, database: str | None = None, schema: str | None = None, nop_regexes: list[str] | None = None, **kwargs: Any
    ) -> EmulatorConnection:
        return EmulatorConnection(self.duck_conn.cursor(), self.results_cache, database, schema, db_path=self.db_path, **kwargs)


class EmulatorCursor(FakeSnowflakeCursor):
    """Runs one statement; every failure leaves as an error the connector can show."""

    def _transform(self, expression: exp.Expr, params: Any) -> exp.Expr:
        named = expression.transform(self._context_function, copy=False)
        return super()._transform(named, params)

    def _context_function(self, node: exp.Expr) -> exp.Expr:
        """CURRENT_WAREHOUSE() and the like, which DuckDB lacks or answers for itself."""
        if not isinstance(node, exp.Func):
            return node
        name = node.name.upper() if isinstance(node, exp.Anonymous) else node.sql_name()
        assert isinstance(self._conn, EmulatorConnection)  # noqa: S101 - EmulatorConnection.cursor makes these
        if name not in self._conn.context:
            return node
        value = self._conn.context[name]
        return exp.Null() if value is None else exp.Literal.string(value)

    def _execute(self, transformed: exp.Expr, params: Any = None) -> None:
        try:
            super()._execute(transformed, params)
        except ProgrammingError as error:
            if error.errno == 100035 and _collapse_offsets(transformed):
                super()._execute(transformed, params)
                return
            raise _as_snowflake(error) from error.__cause__
        except duckdb.InterruptException as error:
            raise ProgrammingError(msg="SQL execution canceled", errno=CANCELLED_ERRNO, sqlstate=CANCELLED_SQLSTATE) from error
        except duckdb.Error as error:
            raise _from_duckdb(error) from error


def keep_null_timestamps() -> None:
    """Make fakesnow send a NULL timestamp as NULL: its struct form loses the mark, and clients read 1970-01-01."""
    convert = fakesnow.arrow.timestamp_to_sf_struct

    def with_nulls(column: Any) -> Any:
        values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        filled = convert(values.fill_null(0))
        return pa.StructArray.from_arrays(filled.flatten(), fields=list(filled.type), mask=values.is_null())

    fakesnow.arrow.timestamp_to_sf_struct = cast("Any", with_nulls)


def _collapse_offsets(statement: exp.Expr) -> bool:
    """Rewrite '2026-01-01 10:00:00 +00:00' in an INSERT, which Snowflake takes and DuckDB reads as a zone name. True if any was."""
    changed = False
    if isinstance(statement, exp.Insert):
        for literal in statement.find_all(exp.Literal):
            if literal.is_string and (match := _SPACED_OFFSET.match(literal.this)):
                literal.set("this", match[1] + match[2])
                changed = True
    return changed


def _as_snowflake(error: ProgrammingError) -> ProgrammingError:
    """fakesnow's error with Snowflake's number and words for the three mistakes people make most."""
    text = str(error.raw_msg)
    if match := _MISSING_COLUMN.search(text):
        message = f"SQL compilation error: error line 1 at position 0\ninvalid identifier '{match['name'].upper()}'"
        return ProgrammingError(msg=message, errno=904, sqlstate="42000")
    if match := _MISSING_FUNCTION.search(text):
        return ProgrammingError(msg=f"SQL compilation error:\nUnknown function {match['name'].upper()}.", errno=2140, sqlstate="42601")
    if match := _MISSING_OBJECT.search(text):
        name = match["name"].strip('"').upper()
        return ProgrammingError(
            msg=f"SQL compilation error:\nObject '{name}' does not exist or not authorized.", errno=2003, sqlstate="42S02"
        )
    if error.errno == 100035 and "Could not convert string" in text:
        return ProgrammingError(msg=text, errno=100038, sqlstate="22018")
    return error


def _from_duckdb(error: duckdb.Error) -> ProgrammingError:
    errno, sqlstate = next(((n, s) for kind, n, s in _ERRORS if isinstance(error, kind)), (603, "XX000"))
    return ProgrammingError(msg=str(error).split("\n")[0], errno=errno, sqlstate=sqlstate)

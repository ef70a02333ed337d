# ruff: noqa: S608 (the SQL is built here; the guard judges it before it is sent)
"""A few rows that failed a check: counted before, fetched with LIMIT, without the columns that must not be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from services.quality.domain.scan import FailedRows, SamplePolicy
from services.quality.soda.names import Names
from services.quality.soda.prepare import Prepared
from services.quality.soda.session import Rows
from services.quality.soda.tasks import duplicate_condition, reference_condition, strip_statement

MAX_VALUE = 200
"""Characters kept of one value."""

_RESHAPING = (exp.Pivot, exp.UDTF, exp.MatchRecognize)
"""What makes columns of its own in a FROM (UNPIVOT, FLATTEN, UNNEST, VALUES): the values of any column can stand in them."""

Columns = Callable[[str], Sequence[str]]
"""The stored column names of a table named in a check."""


def sample_limit(item: Prepared, policy: SamplePolicy) -> int:
    """How many rows to fetch: the dataset's policy, or less where the check says so."""
    own = getattr(item.parsed.cfg, "samples_limit", None)
    return min(policy.limit, own) if isinstance(own, int) else policy.limit


def sample_sql(item: Prepared, policy: SamplePolicy, names: Names, columns: Columns) -> str:
    """The statement that fetches failed rows of a check; empty when it has none that may be kept."""
    excluded = frozenset(name.casefold() for name in policy.excluded_columns)
    limit = sample_limit(item, policy)
    query = _own_query(item)
    if query:
        fields = _query_fields(query, excluded, names, columns)
        return f"SELECT {fields} FROM ({strip_statement(query)}\n) FAILED_ROWS LIMIT {limit}" if fields else ""
    condition = _condition(item, names)
    if not condition:
        return ""
    fields = _table_fields(columns(item.table), excluded, names) if excluded else "SOURCE.*"
    table = names.qualified(item.table)
    return f"SELECT {fields} FROM {table} SOURCE WHERE {condition} LIMIT {limit}" if fields else ""


def failed_rows(rows: Rows, excluded: Sequence[str]) -> FailedRows:
    """Fetched rows as text. Excluded names are dropped once more, should a query have brought one."""
    hidden = {name.casefold() for name in excluded}
    kept = [at for at, name in enumerate(rows.columns) if name.casefold() not in hidden]
    cells = tuple(tuple(_text(row[at]) for at in kept) for row in rows.rows)
    return FailedRows(tuple(rows.columns[at] for at in kept), cells)


def _text(value: object) -> str | None:
    if value is None:
        return None
    text = bytes(value).hex() if isinstance(value, (bytes, bytearray, memoryview)) else str(value)
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"


def _own_query(item: Prepared) -> str:
    cfg = item.parsed.cfg
    return str(getattr(cfg, "failed_rows_query", None) or (getattr(cfg, "query", None) if item.text == "failed rows" else None) or "")


def _table_fields(stored: Sequence[str], excluded: frozenset[str], names: Names) -> str:
    return ", ".join(f"SOURCE.{names.quote(name)}" for name in stored if name.casefold() not in excluded)


def _query_fields(query: str, excluded: frozenset[str], names: Names, columns: Columns) -> str:
    """What of a user's own query may be shown. With excluded columns only a plain list of columns of one level is, or
    `*` of one table: an expression or a subquery could carry an excluded value under another name."""
    if not excluded:
        return "*"
    try:
        tree = sqlglot.parse_one(query, read=names.scope.dialect)
    except (SqlglotError, RecursionError):
        return ""
    simple = isinstance(tree, exp.Select) and not tree.args.get("with_") and not tree.args.get("with")
    if not simple or len(list(tree.find_all(exp.Select))) != 1 or tree.find(*_RESHAPING):
        return ""
    tables = list(tree.find_all(exp.Table))
    if len(tables) == 1 and len(tree.expressions) == 1 and tree.expressions[0].sql() == "*" and not tables[0].args.get("alias"):
        stored = columns(tables[0].sql(dialect=names.scope.dialect))
        return ", ".join(names.quote(name) for name in stored if name.casefold() not in excluded)
    if not all(_plain_column(field, excluded) for field in tree.expressions):
        return ""
    sources = {table.alias_or_name.casefold() for table in tables}
    whole_row = any(field.name.casefold() in sources for field in tree.expressions)
    renamed = any(alias.args.get("columns") for alias in tree.find_all(exp.TableAlias))
    return "" if whole_row or renamed else "*"


def _plain_column(field: exp.Expr, excluded: frozenset[str]) -> bool:
    column = field.this if isinstance(field, exp.Alias) else field
    return isinstance(column, exp.Column) and isinstance(column.this, exp.Identifier) and column.name.casefold() not in excluded


def _condition(item: Prepared, names: Names) -> str:
    kind, metric = type(item.check).__name__, next(iter(item.check.metrics.values()))
    if kind == "ReferenceCheck":
        return reference_condition(metric, names)
    where = (metric.partition.sql_partition_filter if metric.partition else "") or ""
    if kind == "UserDefinedFailedRowsExpressionCheck":
        return _all([where, item.parsed.cfg.fail_condition_sql_expr])
    if kind != "MetricCheck":
        return ""
    derived = getattr(metric, "derived_formula", None)
    counted = next((part for name, part in derived.metric_dependencies.items() if name != "row_count"), metric) if derived else metric
    return _metric_condition(counted, where)


def _metric_condition(metric: Any, where: str) -> str:
    if metric.name == "missing_count":
        return _all([where, metric.filter, metric.build_missing_condition()])
    if metric.name == "invalid_count":
        return _all([where, metric.filter, _invalid(metric)])
    if metric.name == "duplicate_count":
        rows = duplicate_condition(metric, where)
        columns = ", ".join(map(str, metric.metric_args))
        table = metric.partition.table.qualified_table_name
        key = columns if len(metric.metric_args) == 1 else f"({columns})"
        return f"{rows} AND {key} IN (SELECT {columns} FROM {table} WHERE {rows} GROUP BY {columns} HAVING COUNT(*) > 1)"
    return ""


def _invalid(metric: Any) -> str:
    valid, invalid = metric.build_valid_condition(), metric.build_invalid_condition()
    wrong = [f"NOT ({valid})"] if valid else []
    wrong += [f"({invalid})"] if invalid else []
    return f"NOT ({metric.build_missing_condition()}) AND ({' OR '.join(wrong) or 'FALSE'}){metric.build_include_null()}"


def _all(conditions: Sequence[str | None]) -> str:
    return " AND ".join(f"({condition}\n)" for condition in conditions if condition)

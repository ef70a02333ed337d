# ruff: noqa: S608 (the SQL is built here; the guard judges it before it is sent)
"""What a scan has to measure, as SQL that can be fused: aggregates of one table, counts, and whole result sets.

The SQL is ours, built from the expressions that Soda composed; so every column of a fused statement has its own alias,
a statement can be split anywhere, and no query fetches rows only to count them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.quality.soda.names import Names
from services.quality.soda.session import Rows, StatementFailed

GROUP_CAP = 200
"""Groups of one `group by`: Soda spends 4.4 ms on each."""
EVOLUTION_CAP = 1000
"""Distinct values of one `group evolution`; they are kept as history."""
COLUMN_CAP = 5000


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Expressions over one table and filter: one row."""

    table: str
    where: str
    cells: tuple[tuple[str, Any], ...]
    """SQL expression and the metric it measures."""

    @property
    def width(self) -> int:
        return len(self.cells)

    def sql(self, first: int = 0) -> str:
        fields = ",\n  ".join(f"{expression} AS C{first + at}" for at, (expression, _) in enumerate(self.cells))
        return f"SELECT\n  {fields}\nFROM {self.table}{_where(self.where)}"

    def metrics(self) -> list[Any]:
        return [metric for _, metric in self.cells]

    def split(self, first: set[int]) -> tuple[Aggregates, Aggregates]:
        """Two halves: the cells at these places, and the rest."""
        chosen = tuple(cell for at, cell in enumerate(self.cells) if at in first)
        rest = tuple(cell for at, cell in enumerate(self.cells) if at not in first)
        return Aggregates(self.table, self.where, chosen), Aggregates(self.table, self.where, rest)


@dataclass(frozen=True, slots=True)
class Count:
    """A count that needs its own pass: duplicates, references, a user's failed rows query."""

    body: str
    """What follows `SELECT COUNT(*) AS … FROM`."""
    metric: Any
    width: int = 1

    def sql(self, first: int = 0) -> str:
        return f"SELECT COUNT(*) AS C{first} FROM {self.body}"

    def metrics(self) -> list[Any]:
        return [self.metric]


@dataclass(frozen=True, slots=True)
class Listing:
    """A statement whose rows are the measurement: a schema, groups, a user's own metric."""

    sql: str
    metric: Any
    cap: int
    read: Callable[[Rows], object]
    """Rows to the metric's value. Raises StatementFailed when they cannot be one."""
    internal: bool = False


OneRow = Aggregates | Count


@dataclass(frozen=True, slots=True)
class Work:
    """All that one data source has to measure."""

    one_row: list[OneRow]
    listings: list[Listing]


def collect(source_scan: Any, names: Names) -> Work:
    """The statements behind the metrics that Soda's checks registered on one data source."""
    work = Work([], [])
    for table in source_scan.tables.values():
        for partition in table.partitions.values():
            where = partition.sql_partition_filter or ""
            for query in partition.aggregation_queries:
                cells = tuple(zip(query.select_expressions, query.metrics, strict=True))
                work.one_row.append(Aggregates(table.qualified_table_name, where, cells))
            for query in partition.duplicate_queries:
                work.one_row.append(Count(_duplicates(table.qualified_table_name, query.metric, where), query.metric))
    for query in source_scan.queries:
        _collect_other(work, query, names)
    return work


def _collect_other(work: Work, query: Any, names: Names) -> None:
    kind, metric = type(query).__name__, query.metric
    if kind == "ReferenceQuery":
        work.one_row.append(Count(_reference(metric, names), metric))
    elif kind == "UserDefinedFailedRowsQuery":
        work.one_row.append(Count(f"({strip_statement(metric.query)}\n) FAILED_ROWS", metric))
    elif kind == "TableColumnsQuery":
        place = names.locate(metric.partition.table.table_name)
        work.listings.append(Listing(names.columns_sql(place), metric, COLUMN_CAP, _schema, internal=True))
    elif kind == "GroupByQuery":
        work.listings.append(Listing(_capped(metric.query, GROUP_CAP + 1), metric, GROUP_CAP, _groups))
    elif kind == "GroupEvolutionQuery":
        work.listings.append(Listing(_capped(metric.query, EVOLUTION_CAP + 1), metric, EVOLUTION_CAP, _distinct))
    elif kind == "UserDefinedNumericQuery":
        work.listings.append(Listing(_capped(metric.sql, 1), metric, 1, _number))


def strip_statement(sql: str) -> str:
    """A user's query without its closing semicolon, so that it can stand in brackets."""
    return sql.strip().rstrip(";").rstrip()


def _capped(sql: str, limit: int) -> str:
    return f"SELECT * FROM ({strip_statement(sql)}\n) RESULT_ROWS LIMIT {limit}"


def _where(condition: str) -> str:
    return f"\nWHERE ({condition}\n)" if condition else ""


def duplicate_condition(metric: Any, where: str) -> str:
    """The rows that count for duplicates: all columns set, and the check's and the partition's filters."""
    clauses = [f"{column} IS NOT NULL" for column in metric.metric_args]
    clauses += [f"({text}\n)" for text in (where, metric.filter) if text]
    return " AND ".join(clauses)


def _duplicates(table: str, metric: Any, where: str) -> str:
    columns = ", ".join(map(str, metric.metric_args))
    return f"(SELECT 1 AS ONE FROM {table} WHERE {duplicate_condition(metric, where)}\nGROUP BY {columns} HAVING COUNT(*) > 1) DUPLICATED"


def reference_condition(metric: Any, names: Names) -> str:
    """Rows of SOURCE that break a reference check: a set value that is not (or, reversed, is) in the other table."""
    cfg = metric.check.check_cfg
    pairs = list(zip(cfg.source_column_names, cfg.target_column_names, strict=True))
    present = " OR ".join(f"SOURCE.{source} IS NOT NULL" for source, _ in pairs)
    same = " AND ".join(f"SOURCE.{source} = TARGET.{target}" for source, target in pairs)
    exists = f"EXISTS (SELECT 1 FROM {names.qualified(cfg.target_table_name)} TARGET WHERE {same})"
    condition = f"({present}) AND {'' if cfg.is_reverse else 'NOT '}{exists}"
    where = metric.partition.sql_partition_filter
    return f"({where}\n) AND {condition}" if where else condition


def _reference(metric: Any, names: Names) -> str:
    return f"{metric.partition.table.qualified_table_name} SOURCE WHERE {reference_condition(metric, names)}"


def _schema(rows: Rows) -> object:
    if not rows.rows:
        raise StatementFailed("sql", "The table does not exist, or the login may not see its columns.")
    return [{"name": str(row[0]), "type": str(row[1])} for row in rows.rows]


def _groups(rows: Rows) -> object:
    if rows.truncated:
        raise StatementFailed("refused", f"The query gives more than {GROUP_CAP} groups; group by something coarser.")
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]


def _distinct(rows: Rows) -> object:
    if rows.truncated:
        raise StatementFailed("refused", f"The query gives more than {EVOLUTION_CAP} groups.")
    return [str(row[0]) for row in rows.rows if row and row[0] is not None]


def _number(rows: Rows) -> object:
    value = rows.rows[0][0] if rows.rows and rows.rows[0] else None
    if value is None:
        return None
    if len(rows.columns) > 1:
        raise StatementFailed("sql", f"The query of a metric must give one number, but it gives {len(rows.columns)} columns.")
    try:
        return float(str(value))
    except ValueError:
        raise StatementFailed("sql", "The query of a metric must give one number, but it gave something else.") from None

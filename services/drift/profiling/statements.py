"""SQL text of a profile: one fused aggregate statement per slice of columns, and one statement for frequent values.

Every statement groups by the partition, so a backfill of N partitions costs the same scans as one. Source columns are
renamed to c0, c1 … in an inner query: odd names are quoted in exactly one place. Nothing that a tenant wrote reaches the text but
through quote_identifier; that is what the waivers below rest on.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.drift.domain.profile import QUANTILE_LEVELS, ColumnKind
from services.drift.profiling.dialects import Dialect, is_date, is_number, quote_identifier, quote_text
from services.drift.profiling.plan import ColumnPlan, Grain, ProfilePlan

FINITE_LIMIT = "1.7e308"
VALUE_LENGTH = 40
"""Characters of a frequent value that are kept; the rest of a longer one is of no use to a reader."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where an answer column goes: column index in the plan (-1 for the table), figure name, how many cells it takes."""

    column: int
    figure: str
    cells: int = 1


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL and how to read its rows. Cell 0 is always the partition."""

    sql: str
    slots: tuple[Slot, ...] = ()
    is_top: bool = False
    """True: rows are (partition, column index, value, count)."""
    columns: tuple[int, ...] = ()


def build_statements(plan: ProfilePlan, dialect: Dialect) -> tuple[Statement, ...]:
    """All statements of the plan: wide tables give several, each with at most `max_statement_columns` columns."""
    size = plan.max_statement_columns
    indexes = range(len(plan.columns))
    slices = [tuple(indexes[i : i + size]) for i in range(0, len(plan.columns), size)] or [()]
    fused = [_fused(plan, dialect, part, with_table=(n == 0)) for n, part in enumerate(slices)]
    tops = [_top(plan, dialect, part) for part in slices]
    return tuple(fused) + tuple(t for t in tops if t is not None)


def _anchor(plan: ProfilePlan) -> str:
    """The moment times are measured from: the partition's start, or the moment of profiling."""
    if plan.partition_column is None:
        return f"CAST({quote_text(plan.as_of or '1970-01-01T00:00:00')} AS TIMESTAMP)"
    return "CAST(part AS TIMESTAMP)"


def _source(plan: ProfilePlan, dialect: Dialect, indexes: tuple[int, ...], all_columns: bool) -> str:
    """FROM clause: the table, sampled and bounded, with its partition and columns under our names."""
    table = ".".join(quote_identifier(p) for p in plan.table)
    names = [f"{quote_identifier(plan.columns[i].name)} AS c{i}" for i in indexes]
    where = ""
    if plan.partition_column is None:
        part = quote_text(plan.as_of or "")
    else:
        raw = quote_identifier(plan.partition_column)
        part = raw if plan.grain is Grain.VALUE else f"DATE_TRUNC('{plan.grain.value}', {raw})"
        bounds = [f"{raw} >= {quote_text(plan.start)}"] if plan.start else []
        bounds += [f"{raw} < {quote_text(plan.end)}"] if plan.end else []
        where = " WHERE " + " AND ".join([f"{raw} IS NOT NULL", *bounds])
        if all_columns:
            names.append(f"{raw} AS part_raw")
    if all_columns:
        row = [quote_identifier(c.name) for c in plan.columns if c.kind is not ColumnKind.OTHER]
        if row:
            names.append(f"{dialect.row_hash(row)} AS row_hash")
    return f"(SELECT {', '.join([f'{part} AS part', *names])} FROM {table}{dialect.sample(plan.sample)}{where}) AS src"  # noqa: S608


def _fused(plan: ProfilePlan, dialect: Dialect, indexes: tuple[int, ...], with_table: bool) -> Statement:
    slots: list[Slot] = []
    cells: list[str] = ["part", "COUNT(*)"]
    slots.append(Slot(-1, "rows"))
    if with_table:
        if any(c.kind is not ColumnKind.OTHER for c in plan.columns):
            cells.append(dialect.distinct("row_hash", plan.exact_distinct))
            slots.append(Slot(-1, "distinct_rows"))
        if plan.partition_column is not None:
            cells.append("MAX(part_raw)")
            slots.append(Slot(-1, "newest"))
    for i in indexes:
        for figure, expressions in _figures(plan, dialect, i):
            slots.append(Slot(i, figure, len(expressions)))
            cells.extend(expressions)
    sql = f"SELECT {', '.join(cells)} FROM {_source(plan, dialect, indexes, with_table)} GROUP BY part"  # noqa: S608
    return Statement(sql, tuple(slots), columns=indexes)


def _count(condition: str) -> str:
    return f"COUNT(CASE WHEN {condition} THEN 1 END)"


def _figures(plan: ProfilePlan, dialect: Dialect, index: int) -> list[tuple[str, list[str]]]:
    column, raw = plan.columns[index], f"c{index}"
    figures: list[tuple[str, list[str]]] = [("nonnull", [f"COUNT({raw})"])]
    if column.kind is ColumnKind.OTHER:
        return figures
    figures.append(("distinct", [dialect.distinct(raw, plan.exact_distinct)]))
    if column.kind is ColumnKind.NUMBER:
        figures += _number_figures(plan, dialect, column, raw)
    elif column.kind is ColumnKind.TEXT:
        figures += _text_figures(dialect, raw)
    elif column.kind is ColumnKind.TIME:
        figures += _time_figures(plan, dialect, raw)
    else:
        figures.append(("#true", [_count(raw)]))
    return figures


def _moments(value: str) -> list[tuple[str, list[str]]]:
    return [("low", [f"MIN({value})"]), ("high", [f"MAX({value})"]), ("mean", [f"AVG({value})"]), ("stddev", [f"STDDEV_SAMP({value})"])]


def _number_figures(plan: ProfilePlan, dialect: Dialect, column: ColumnPlan, raw: str) -> list[tuple[str, list[str]]]:
    double = dialect.double(raw)
    # NaN sorts above every number in all three dialects, so BETWEEN keeps exactly the finite values.
    value = f"CASE WHEN {double} BETWEEN -{FINITE_LIMIT} AND {FINITE_LIMIT} THEN {double} END"
    figures = _moments(value)
    figures += [
        ("quantiles", dialect.quantiles(value, QUANTILE_LEVELS, plan.exact_distinct)),
        ("#finite", [f"COUNT({value})"]),
        ("#zero", [_count(f"{raw} = 0")]),
        ("#negative", [_count(f"{raw} < 0")]),
        ("#integer", [_count(f"{value} = FLOOR({value})")]),
        ("#tenth", [_count(f"ABS(({value}) * 10 - ROUND(({value}) * 10)) < 0.000001")]),
    ]
    if column.edges:
        figures.append(("cumulative", [_count(f"{double} <= {edge!r}") for edge in column.edges]))
    return figures


def _text_figures(dialect: Dialect, raw: str) -> list[tuple[str, list[str]]]:
    figures = _moments(f"LENGTH({raw})")
    conditions = {
        "empty": f"{raw} = ''",
        "number": is_number(dialect, raw),
        "date": is_date(dialect, raw),
        "upper": f"{raw} = UPPER({raw})",
        "lower": f"{raw} = LOWER({raw})",
        "trimmed": f"{raw} = TRIM({raw})",
        "digit_first": dialect.matches(raw, "^[0-9].*"),
        "zero_first": dialect.matches(raw, "^0.*"),
        "plain": dialect.matches(raw, "^[ -~]*$"),
        "quoted": dialect.matches(raw, "^[\"''].*".replace("''", "'")),
    }
    return figures + [(f"#{name}", [_count(condition)]) for name, condition in conditions.items()]


def _time_figures(plan: ProfilePlan, dialect: Dialect, raw: str) -> list[tuple[str, list[str]]]:
    moment = f"CAST({raw} AS TIMESTAMP)"
    offset = dialect.seconds_between(_anchor(plan), moment)
    hour = f"EXTRACT(HOUR FROM {moment})"
    low, high = dialect.epoch(f"MIN({moment})"), dialect.epoch(f"MAX({moment})")
    outside = [("#outside", [_count(f"{offset} < 0 OR {offset} >= {plan.period!r}")])] if plan.period else []
    return [
        *outside,
        ("low", [low]),
        ("high", [high]),
        ("mean", [f"AVG({offset})"]),
        ("stddev", [f"STDDEV_SAMP({offset})"]),
        ("quantiles", dialect.quantiles(offset, QUANTILE_LEVELS, plan.exact_distinct)),
        ("#midnight", [_count(f"{hour} = 0 AND EXTRACT(MINUTE FROM {moment}) = 0 AND EXTRACT(SECOND FROM {moment}) = 0")]),
        ("hours", [_count(f"{hour} = {h}") for h in range(24)]),
    ]


def _top(plan: ProfilePlan, dialect: Dialect, indexes: tuple[int, ...]) -> Statement | None:
    """Frequent values of all columns in one scan, by GROUPING SETS; the rank cuts before anything leaves the warehouse."""
    chosen = [i for i in indexes if plan.columns[i].top and plan.columns[i].kind in (ColumnKind.TEXT, ColumnKind.NUMBER, ColumnKind.FLAG)]
    if not chosen:
        return None
    sets = ", ".join(f"(part, c{i})" for i in chosen)
    which = "CASE " + " ".join(f"WHEN GROUPING(c{i}) = 0 THEN {i}" for i in chosen) + " END"
    value = "CASE " + " ".join(f"WHEN GROUPING(c{i}) = 0 THEN {_top_value(plan, dialect, i)}" for i in chosen) + " END"
    grouped = (
        f"SELECT part, {which} AS col, {value} AS val, COUNT(*) AS n "  # noqa: S608
        f"FROM {_source(plan, dialect, tuple(chosen), False)} GROUP BY GROUPING SETS ({sets})"
    )
    rank = "ROW_NUMBER() OVER (PARTITION BY part, col ORDER BY n DESC, val)"
    ranked = f"SELECT part, col, val, n, {rank} AS r FROM ({grouped}) AS g WHERE val IS NOT NULL"  # noqa: S608
    return Statement(f"SELECT part, col, val, n FROM ({ranked}) AS k WHERE r <= {plan.top_values}", is_top=True, columns=tuple(chosen))  # noqa: S608


def _top_value(plan: ProfilePlan, dialect: Dialect, index: int) -> str:
    text = dialect.text(f"c{index}")
    if plan.columns[index].sensitive:
        return dialect.value_hash(f"{quote_text(plan.salt)} || {text}")
    return f"LEFT({text}, {VALUE_LENGTH})"

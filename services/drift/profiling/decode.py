"""Answer rows of the profile statements → Profile objects."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from services.drift.domain.profile import ColumnKind, ColumnProfile, Profile
from services.drift.profiling.plan import ProfilePlan
from services.drift.profiling.statements import Statement

Rows = Sequence[Sequence[Any]]


def decode_profiles(plan: ProfilePlan, answers: Sequence[tuple[Statement, Rows | None]]) -> list[Profile]:
    """Profiles in order of partition.

    `None` for a statement says it failed or timed out: its columns are named in `missing` and the profile is not complete.
    """
    cells: dict[str, dict[tuple[int, str], Any]] = {}
    tops: dict[str, dict[int, list[tuple[str, int]]]] = {}
    missing: set[int] = set()
    for statement, rows in answers:
        if rows is None:
            missing |= set() if statement.is_top else set(statement.columns)
        elif statement.is_top:
            _read_top(rows, tops)
        else:
            _read_fused(statement, rows, cells)
    return [_profile(plan, part, cells[part], tops.get(part, {}), missing) for part in sorted(cells)]


def partition_key(value: Any) -> str:
    """ISO text of a partition: a day without a time when the time is midnight."""
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time(0) else value.isoformat()
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _read_fused(statement: Statement, rows: Rows, cells: dict[str, dict[tuple[int, str], Any]]) -> None:
    for row in rows:
        found = cells.setdefault(partition_key(row[0]), {})
        at = 1
        for slot in statement.slots:
            value = row[at] if slot.cells == 1 else list(row[at : at + slot.cells])
            found[(slot.column, slot.figure)] = value
            at += slot.cells


def _read_top(rows: Rows, tops: dict[str, dict[int, list[tuple[str, int]]]]) -> None:
    for part, column, value, count in rows:
        tops.setdefault(partition_key(part), {}).setdefault(int(column), []).append((str(value), int(count)))


def _number(value: Any) -> float | None:
    """A finite float, or None; warehouses answer Decimal, str or NaN."""
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _numbers(value: Any) -> tuple[float, ...]:
    if value is None:
        return ()
    flat = value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list | tuple) else value
    cleaned = [_number(v) for v in flat]
    return tuple(v for v in cleaned if v is not None) if all(v is not None for v in cleaned) else ()


def _histogram(cumulative: list[Any] | Any, finite: int) -> tuple[int, ...]:
    values = [int(v) for v in (cumulative if isinstance(cumulative, list) else [cumulative])]
    bounds = [0, *values, finite]
    return tuple(max(0, b - a) for a, b in pairwise(bounds))


def _profile(
    plan: ProfilePlan, part: str, cells: Mapping[tuple[int, str], Any], tops: Mapping[int, list[tuple[str, int]]], missing: set[int]
) -> Profile:
    rows = int(cells.get((-1, "rows")) or 0)
    by_column: dict[int, dict[str, Any]] = {}
    for (column, figure), value in cells.items():
        by_column.setdefault(column, {})[figure] = value
    columns = tuple(_column(plan, i, rows, by_column[i], tops.get(i, [])) for i in range(len(plan.columns)) if i in by_column)
    newest = cells.get((-1, "newest"))
    distinct = cells.get((-1, "distinct_rows"))
    return Profile(
        partition=part,
        rows=rows,
        columns=columns,
        distinct_rows=None if distinct is None else int(distinct),
        newest=None if newest is None else partition_key(newest),
        sampled=plan.sample,
        complete=not missing,
        missing=tuple(plan.columns[i].name for i in sorted(missing)),
    )


def _column(plan: ProfilePlan, index: int, rows: int, found: Mapping[str, Any], top: list[tuple[str, int]]) -> ColumnProfile:
    column = plan.columns[index]
    nonnull = int(found.get("nonnull") or 0)
    counts = {name[1:]: int(value or 0) for name, value in found.items() if name.startswith("#")}
    histogram: tuple[int, ...] = ()
    if "cumulative" in found:
        histogram = _histogram(found["cumulative"], counts.get("finite", nonnull))
    distinct = found.get("distinct")
    return ColumnProfile(
        name=column.name,
        kind=column.kind,
        nulls=rows - nonnull,
        distinct=None if distinct is None else int(distinct),
        low=_number(found.get("low")),
        high=_number(found.get("high")),
        mean=_number(found.get("mean")),
        stddev=_number(found.get("stddev")),
        quantiles=_numbers(found.get("quantiles")),
        edges=column.edges if histogram else (),
        histogram=histogram,
        counts=counts,
        hours=tuple(int(v) for v in found["hours"]) if column.kind is ColumnKind.TIME and "hours" in found else (),
        top=tuple(sorted(top, key=lambda t: (-t[1], t[0]))),
        declared_type=column.declared_type,
    )

"""Baselines: reviewed versions of what is normal, their usual figures, and what differs between two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from statistics import median

from services.drift.domain.profile import QUANTILE_LEVELS, ColumnKind, ColumnProfile, Profile

TOP_VALUES = 10
_MIDDLE = QUANTILE_LEVELS.index(0.5)


class Origin(StrEnum):
    """What made a version."""

    INITIAL = "INITIAL"
    BACKFILL = "BACKFILL"
    ACCEPTED = "ACCEPTED"
    ADOPTED = "ADOPTED"
    ROLLBACK = "ROLLBACK"
    EXPIRY = "EXPIRY"


class Mode(StrEnum):
    """How long an acceptance holds."""

    ONCE = "ONCE"
    FROM_NOW_ON = "FROM_NOW_ON"


@dataclass(frozen=True, slots=True)
class ColumnFigures:
    """What is usual for a column: medians over the window, None when there is nothing to take one of."""

    name: str
    kind: ColumnKind
    declared_type: str
    null_rate: float | None = None
    distinct: float | None = None
    low: float | None = None
    mean: float | None = None
    high: float | None = None
    median: float | None = None
    top: tuple[tuple[str, float], ...] = ()
    """Frequent values with their share of the rows."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is usual for a partition."""

    rows: float | None = None
    columns: tuple[ColumnFigures, ...] = ()


@dataclass(frozen=True, slots=True)
class Baseline:
    """One version."""

    dataset_id: str
    version: int
    origin: Origin
    parent_version: int
    create_time: datetime
    window_start: datetime | None = None
    window_end: datetime | None = None
    profile_ids: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    """Accepted columns; empty for all."""
    mode: Mode | None = None
    author: str = ""
    reason: str = ""
    expire_time: datetime | None = None
    figures: Figures = field(default_factory=Figures)
    active: bool = False


@dataclass(frozen=True, slots=True)
class BaselineChange:
    """One figure that two versions do not share."""

    column: str
    figure: str
    before: str
    after: str
    message: str


def usual_figures(profiles: Sequence[Profile]) -> Figures:
    """Medians over the profiles (oldest first); columns are those of the newest."""
    if not profiles:
        return Figures()
    by_name: dict[str, list[tuple[ColumnProfile, int]]] = {}
    for profile in profiles:
        for column in profile.columns:
            by_name.setdefault(column.name, []).append((column, profile.rows))
    columns = tuple(_column_figures(column, by_name[column.name]) for column in profiles[-1].columns)
    return Figures(float(median(profile.rows for profile in profiles)), columns)


def _column_figures(newest: ColumnProfile, past: Sequence[tuple[ColumnProfile, int]]) -> ColumnFigures:
    same = [(column, rows) for column, rows in past if column.kind is newest.kind and rows]
    return ColumnFigures(
        name=newest.name,
        kind=newest.kind,
        declared_type=newest.declared_type,
        null_rate=_median([column.nulls / rows for column, rows in same]),
        distinct=_median([column.distinct for column, _ in same]),
        low=_median([column.low for column, _ in same]),
        mean=_median([column.mean for column, _ in same]),
        high=_median([column.high for column, _ in same]),
        median=_median([column.quantiles[_MIDDLE] for column, _ in same if len(column.quantiles) == len(QUANTILE_LEVELS)]),
        top=_shares(same),
    )


def _median(values: Sequence[float | int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(median(known)) if known else None


def _shares(past: Sequence[tuple[ColumnProfile, int]]) -> tuple[tuple[str, float], ...]:
    counted: Counter[str] = Counter()
    total = sum(rows for column, rows in past if column.top)
    for column, _ in past:
        for value, count in column.top:
            counted[value] += count
    return tuple((value, count / total) for value, count in counted.most_common(TOP_VALUES)) if total else ()


_COLUMN_FIGURES: Mapping[str, tuple[str, Callable[[ColumnFigures], float | None]]] = {
    "null_rate": ("null rate", lambda column: column.null_rate),
    "distinct_count": ("distinct values", lambda column: column.distinct),
    "min": ("smallest value", lambda column: column.low),
    "mean": ("mean", lambda column: column.mean),
    "median": ("median", lambda column: column.median),
    "max": ("largest value", lambda column: column.high),
}
_NOTICEABLE = 0.01
"""Smallest relative difference of a figure that a diff tells."""


def diff_figures(before: Figures, after: Figures) -> tuple[BaselineChange, ...]:
    """What differs: the table first, then columns in the order of the later version, removed ones last."""
    return tuple(_changes(before, after))


def _changes(before: Figures, after: Figures) -> Iterator[BaselineChange]:
    if _differ(before.rows, after.rows):
        yield _change("", "row_count", "rows", _number(before.rows), _number(after.rows))
    known = {column.name: column for column in before.columns}
    for column in after.columns:
        old = known.pop(column.name, None)
        if old is None:
            yield _change(column.name, "column", "column", "", column.declared_type)
        else:
            yield from _column_changes(old, column)
    for column in known.values():
        yield _change(column.name, "column", "column", column.declared_type, "")


def _column_changes(old: ColumnFigures, new: ColumnFigures) -> Iterator[BaselineChange]:
    if old.declared_type != new.declared_type:
        yield _change(new.name, "declared_type", "type", old.declared_type, new.declared_type)
    for figure, (words, read) in _COLUMN_FIGURES.items():
        one, other = read(old), read(new)
        if _differ(one, other):
            write = _percent if figure == "null_rate" else _number
            yield _change(new.name, figure, words, write(one), write(other))
    yield from _value_changes(old, new)


def _value_changes(old: ColumnFigures, new: ColumnFigures) -> Iterator[BaselineChange]:
    shares, later = dict(old.top), dict(new.top)
    for value in dict.fromkeys([*later, *shares]):
        one, other = shares.get(value, 0.0), later.get(value, 0.0)
        if abs(one - other) >= _NOTICEABLE:
            yield _change(new.name, "top_value", f"share of {value!r}", _percent(one), _percent(other))


def _differ(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is not other
    return abs(one - other) > _NOTICEABLE * max(abs(one), abs(other))


def _change(column: str, figure: str, words: str, before: str, after: str) -> BaselineChange:
    subject = f"{column}: {words}" if column else words
    return BaselineChange(column, figure, before, after, f"{subject} {before or 'none'} → {after or 'none'}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.6g}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.3g} %"

"""What to ask of a table, and how the answers of several statements become profiles. Nothing here talks to a warehouse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from statistics import median

from services.drift.domain.dataset import CatalogColumn, CatalogTable
from services.drift.domain.periods import is_regular, label, parse_label, periods_between
from services.drift.domain.profile import QUANTILE_LEVELS, ColumnKind, ColumnProfile, Profile
from services.drift.domain.record import ColumnMemo
from services.drift.domain.watch_settings import WatchSettings
from services.drift.methods.edges import histogram_edges
from services.drift.profiling.plan import ColumnPlan, ProfilePlan

# A column whose values hardly repeat is a key: its frequent values say nothing and cost the largest sort.
_KEY_SHARE = 0.95
_KEY_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Span:
    """Partitions to profile, by their local starts; `expected` is where those end that must be there, rows or not."""

    first: datetime
    end: datetime
    expected: datetime


@dataclass(frozen=True, slots=True)
class ProfileWish:
    """What to profile of a table."""

    table: CatalogTable
    settings: WatchSettings
    memos: Mapping[str, ColumnMemo]
    exact: bool
    salt: str
    span: Span | None
    """None: the whole table."""
    as_of: datetime
    """Local time of profiling."""
    sensitive: frozenset[str] = frozenset()
    """Columns, beside those of the settings, whose values never leave the warehouse."""


def watched_columns(table: CatalogTable, settings: WatchSettings) -> tuple[CatalogColumn, ...]:
    """The columns to profile, in the order of the table."""
    included, excluded = meant_columns(table, settings.include), meant_columns(table, settings.exclude)
    return tuple(one for one in table.columns if (not settings.include or one.name in included) and one.name not in excluded)


def meant_columns(table: CatalogTable, names: Iterable[str]) -> frozenset[str]:
    """Stored names of the columns that are named exactly, or whatever the case, or by a shell pattern such as `addr_*`."""
    found = set()
    for name in names:
        exact = table.column(name)
        if exact:
            found.add(exact.name)
        elif any(character in name for character in "*?["):
            found |= {column.name for column in table.columns if fnmatchcase(column.name.casefold(), name.casefold())}
    return frozenset(found)


def plan_of(wish: ProfileWish) -> ProfilePlan:
    """The plan that the SQL is made of."""
    partition, span = wish.settings.partition, wish.span
    sensitive = meant_columns(wish.table, wish.settings.sensitive) | meant_columns(wish.table, wish.sensitive)
    column = wish.table.column(partition.column) if partition else None
    bounded = span if partition else None
    return ProfilePlan(
        table=wish.table.path,
        columns=tuple(_column_plan(one, wish, sensitive) for one in watched_columns(wish.table, wish.settings)),
        partition_column=column.name if column else None,
        grain=partition.grain if partition else wish.settings.grain,
        start=bounded.first.isoformat() if bounded else None,
        end=bounded.end.isoformat() if bounded else None,
        as_of=wish.as_of.replace(microsecond=0).isoformat(),
        sample=wish.settings.sample,
        salt=wish.salt,
        exact_distinct=wish.exact,
    )


def _column_plan(column: CatalogColumn, wish: ProfileWish, sensitive: frozenset[str]) -> ColumnPlan:
    memo = wish.memos.get(column.name, ColumnMemo())
    edges = memo.edges if column.kind is ColumnKind.NUMBER else ()
    top = memo.top and wish.settings.top_values
    return ColumnPlan(column.name, column.kind, edges, column.name in sensitive, top, column.declared_type)


def new_memos(profiles: Sequence[Profile], known: Mapping[str, ColumnMemo]) -> dict[str, ColumnMemo]:
    """What is decided about columns that were not profiled before; nothing about those that have no values yet."""
    by_name: dict[str, list[ColumnProfile]] = {}
    for profile in profiles:
        for column in profile.columns:
            if column.distinct and column.name not in known:
                by_name.setdefault(column.name, []).append(column)
    rows = max((profile.rows for profile in profiles), default=0)
    return {name: _memo(columns, rows) for name, columns in by_name.items()}


def _memo(columns: Sequence[ColumnProfile], rows: int) -> ColumnMemo:
    newest = columns[-1]
    is_key = rows >= _KEY_ROWS and all((column.distinct or 0) > _KEY_SHARE * rows for column in columns)
    if newest.kind is not ColumnKind.NUMBER:
        return ColumnMemo((), not is_key)
    return ColumnMemo(histogram_edges(_pooled([column for column in columns if column.kind is ColumnKind.NUMBER])), not is_key)


def _pooled(columns: Sequence[ColumnProfile]) -> ColumnProfile:
    """One column that stands for several partitions: the widest range, and of each quantile the median."""
    lows = [column.low for column in columns if column.low is not None]
    highs = [column.high for column in columns if column.high is not None]
    curves = [column.quantiles for column in columns if len(column.quantiles) == len(QUANTILE_LEVELS)]
    return replace(
        columns[-1],
        low=min(lows, default=None),
        high=max(highs, default=None),
        quantiles=tuple(float(median(level)) for level in zip(*curves, strict=True)),
    )


def with_histograms(profiles: Sequence[Profile], again: Sequence[Profile]) -> list[Profile]:
    """The profiles with the histograms that a second look took."""
    looks = {profile.partition: profile for profile in again}
    return [_with_histogram(profile, looks[profile.partition]) if profile.partition in looks else profile for profile in profiles]


def _with_histogram(profile: Profile, look: Profile) -> Profile:
    seen = {column.name: column for column in look.columns if column.histogram}
    columns = tuple(
        replace(column, edges=seen[column.name].edges, histogram=seen[column.name].histogram) if column.name in seen else column
        for column in profile.columns
    )
    return replace(profile, columns=columns)


def arranged(profiles: Sequence[Profile], plan: ProfilePlan, wish: ProfileWish) -> list[Profile]:
    """Profiles by time under canonical names: partitions without rows are filled in, irregular hours are left out."""
    if wish.settings.partition is None or wish.span is None:
        return list(profiles) or [_empty(plan.as_of or "", plan)]
    grain, zone = wish.settings.partition.grain, wish.settings.zone
    found = {}
    for profile in profiles:
        start = parse_label(profile.partition)
        found[start] = replace(profile, partition=label(start, grain))
    expected = set(periods_between(wish.span.first, wish.span.expected, grain))
    starts = sorted(start for start in expected | found.keys() if wish.span.first <= start < wish.span.end)
    return [found.get(start) or _empty(label(start, grain), plan) for start in starts if is_regular(start, grain, zone)]


def _empty(partition: str, plan: ProfilePlan) -> Profile:
    columns = tuple(_empty_column(column) for column in plan.columns)
    return Profile(partition, 0, columns, distinct_rows=0, sampled=plan.sample)


def _empty_column(column: ColumnPlan) -> ColumnProfile:
    histogram = (0,) * (len(column.edges) + 1) if column.edges else ()
    return ColumnProfile(column.name, column.kind, distinct=0, edges=column.edges, histogram=histogram, declared_type=column.declared_type)

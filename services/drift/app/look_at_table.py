"""Opens a dataset's warehouse and profiles what has to be judged next."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from services.common.errors import FieldViolation
from services.drift.app.judge_profiles import Dated
from services.drift.app.plan_profile import ProfileWish, Span
from services.drift.app.ports import Egress, SessionRequest, Warehouses, WarehouseSession, WatchStore
from services.drift.app.profile_table import Measured, ProfileTable
from services.drift.app.spans import Clock, next_span
from services.drift.domain.dataset import CatalogTable, DatasetDefinition
from services.drift.domain.errors import InvalidDriftSettings
from services.drift.domain.periods import instant, local_time, parse_label, shifted, start_of
from services.drift.domain.profile import ColumnKind, Profile
from services.drift.domain.record import Watch
from services.drift.domain.watch_settings import Partitioning, WatchSettings
from services.drift.profiling.dialects import DIALECTS, Dialect

# Beyond this an exact count of distinct values costs more than it tells.
_EXACT_ROWS = 5_000_000


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at, for whom."""

    tenant_id: str
    dataset: DatasetDefinition
    settings: WatchSettings
    purpose: str
    """A word for the warehouse's query history."""
    reference: str
    """Id of the run or backfill."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen."""

    table: CatalogTable | None
    """None when the table is gone."""
    profiles: tuple[Dated, ...] = ()
    watch: Watch | None = None
    """What is known, with what was decided while looking."""
    troubles: tuple[str, ...] = ()


class LookAtTable:
    """Sessions on the dataset's warehouse, and the look of an evaluation."""

    def __init__(self, egress: Egress, warehouses: Warehouses, watches: WatchStore, statement_seconds: float) -> None:
        self._egress = egress
        self._warehouses = warehouses
        self._watches = watches
        self._statement_seconds = statement_seconds

    @asynccontextmanager
    async def session(self, subject: Subject) -> AsyncIterator[WarehouseSession]:
        """A session on the dataset's warehouse. Raises EgressDenied, WarehouseUnreachable and WarehouseRefusedLogin."""
        addresses = await self._egress.check(subject.dataset.connection)
        tag = {"app": "chalkandduster", "purpose": subject.purpose, "tenant": subject.tenant_id, "dataset": subject.dataset.id}
        request = SessionRequest({**tag, "reference": subject.reference}, subject.settings.zone, addresses)
        async with self._warehouses.open(subject.dataset.connection, request) as session:
            yield session

    def profiler(self, session: WarehouseSession, subject: Subject, seconds: float, dialect: Dialect | None = None) -> ProfileTable:
        """What profiles within so many seconds."""
        chosen = dialect or DIALECTS[subject.dataset.dialect]
        return ProfileTable(session, chosen, self._statement_seconds, time.monotonic() + seconds)

    async def wish(self, subject: Subject, table: CatalogTable, watch: Watch, span: Span | None, now: datetime) -> ProfileWish:
        """What to profile of the table."""
        return ProfileWish(
            table=table,
            settings=subject.settings,
            memos=watch.memos,
            exact=watch.exact if watch.memos else (table.rows or 0) <= _EXACT_ROWS,
            salt=await self._watches.salt(subject.tenant_id),
            span=span,
            as_of=local_time(now, subject.settings.zone),
            sensitive=frozenset(subject.dataset.excluded_columns),
        )

    async def execute(self, subject: Subject, watch: Watch, now: datetime, seconds: float) -> Look:
        """Look at what has to be judged next.

        Raises what `session` raises, and InvalidDriftSettings when the table has no such partition column.
        """
        async with self.session(subject) as session:
            table = await session.table(subject.dataset)
            if table is None:
                return Look(None)
            profiler = self.profiler(session, subject, seconds)
            watch = await self._prepared(profiler, subject, table, watch, now)
            partition = subject.settings.partition
            span = next_span(watch, Clock.at(now, partition), partition, watch.lag) if partition else None
            wish = await self.wish(subject, table, watch, span, now)
            measured = await profiler.execute(wish)
            if not measured.profiles and await session.table(subject.dataset) is None:
                return Look(None)
        return _look(table, replace(watch, exact=wish.exact), measured, subject.settings, now)

    async def _prepared(self, profiler: ProfileTable, subject: Subject, table: CatalogTable, watch: Watch, now: datetime) -> Watch:
        """What is known, and for a table that was never judged, how late its data is."""
        partition = subject.settings.partition
        if partition is None:
            return watch
        column = partition_column(table, partition)
        if watch.memos or watch.revision:
            return watch
        clock = Clock.at(now, partition)
        extent = await profiler.extent(table, column, span_end(clock, partition))
        return replace(watch, lag=clock.lag(extent[1] if extent else None, partition))


def span_end(clock: Clock, partition: Partitioning) -> datetime:
    """End of the newest complete partition."""
    return shifted(clock.newest, partition.grain, 1)


def partition_column(table: CatalogTable, partition: Partitioning) -> str:
    """The stored name of the partition column. Raises InvalidDriftSettings when the table has no such column of times."""
    column = table.column(partition.column)
    if column is None or column.kind is not ColumnKind.TIME:
        found = "has no such column" if column is None else f"has it as {column.declared_type}"
        problem = f"partition.column: a date or time column is expected, and the table {found}: {partition.column}"
        raise InvalidDriftSettings([FieldViolation("drift_yaml", problem)])
    return column.name


def _look(table: CatalogTable, watch: Watch, measured: Measured, settings: WatchSettings, now: datetime) -> Look:
    dated = tuple(dated_profile(profile, settings, now, watch) for profile in measured.profiles)
    known = replace(watch, memos=measured.memos, lag=_seen_lag(measured, settings, watch, now))
    return Look(table, dated, known, measured.troubles)


def dated_profile(profile: Profile, settings: WatchSettings, now: datetime, watch: Watch) -> Dated:
    """The profile with its place in time. Profiles of a whole table never go back, whatever the clock says."""
    if settings.partition is not None:
        start = instant(parse_label(profile.partition), settings.zone)
        return Dated(profile, start, start)
    period = instant(start_of(local_time(now, settings.zone), settings.grain), settings.zone)
    return Dated(profile, max(period, watch.period), now)


def _seen_lag(measured: Measured, settings: WatchSettings, watch: Watch, now: datetime) -> int:
    """How late data is, at its earliest so far."""
    with_rows = [profile.partition for profile in measured.profiles if profile.rows]
    if settings.partition is None or not with_rows:
        return watch.lag
    return min(watch.lag, Clock.at(now, settings.partition).lag(parse_label(with_rows[-1]), settings.partition))

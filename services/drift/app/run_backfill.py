"""Profiles a table's past, newest part first, and learns from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from services.common.errors import DomainError
from services.drift.app.judge_profiles import NEVER, Dated, JudgeProfiles
from services.drift.app.look_at_table import LookAtTable, Subject, dated_profile, partition_column, span_end
from services.drift.app.new_baseline import Reason
from services.drift.app.plan_profile import Span, watched_columns
from services.drift.app.ports import BackfillQueue, ProfileStore, Registry, WarehouseSession, WatchStore
from services.drift.app.profile_table import Measured, ProfileTable
from services.drift.app.rebuild_history import RebuildHistory
from services.drift.app.settings_of import settings_of
from services.drift.app.spans import Clock, past_span
from services.drift.app.time_travel import TimeTravelDialect, past_moments
from services.drift.domain.backfill import Backfill, BackfillSource, BackfillState, ClaimedBackfill
from services.drift.domain.baseline import Origin
from services.drift.domain.dataset import CatalogTable
from services.drift.domain.errors import BackfillImpossible, StatementTimedOut, TableNotFound, TenantSuspended
from services.drift.domain.periods import count_between, instant, local_time, shifted
from services.drift.domain.record import KeptProfile, Standing, Watch
from services.drift.profiling.plan import Grain

_CELLS = 3000
"""Columns times partitions of one look: bounds the rows of frequent values to some 100,000."""
_MOST_PARTITIONS = 30
_LOOK_SECONDS = 1800.0


class BackfillStopped(Exception):
    """A cancel was asked for, or another worker holds the backfill by now. What was profiled is kept."""


@dataclass(slots=True)
class _Progress:
    """How far one backfill is."""

    claimed: ClaimedBackfill
    subject: Subject
    watch: Watch
    backfill: Backfill
    troubles: tuple[str, ...] = ()


class RunBackfill:
    """Answers when all is profiled and learned."""

    def __init__(
        self,
        registry: Registry,
        look: LookAtTable,
        judge: JudgeProfiles,
        rebuild: RebuildHistory,
        watches: WatchStore,
        profiles: ProfileStore,
        queue: BackfillQueue,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._registry = registry
        self._look = look
        self._judge = judge
        self._rebuild = rebuild
        self._watches = watches
        self._profiles = profiles
        self._queue = queue
        self._now = now
        self._new_id = new_id

    async def execute(self, claimed: ClaimedBackfill) -> None:
        """Raises BackfillStopped, BackfillImpossible, TableNotFound and what an evaluation raises; then, too, what was
        profiled before is kept and learned from.
        """
        progress = await self._begun(claimed)
        try:
            await self._profile(progress)
        except (DomainError, BackfillStopped):
            await self._learn(progress)
            raise
        await self._learn(progress)

    async def _profile(self, progress: _Progress) -> None:
        async with self._look.session(progress.subject) as session:
            table = await session.table(progress.subject.dataset)
            if table is None:
                raise TableNotFound
            async for look in self._looks(session, table, progress):
                await self._keep(progress, look)

    async def _learn(self, progress: _Progress) -> None:
        done = progress.backfill.partitions_done
        if done:
            reason = Reason(Origin.BACKFILL, f"{done} partitions of the table's past.", progress.claimed.requested_by)
            await self._rebuild.execute(progress.subject, progress.watch, reason)

    async def _begun(self, claimed: ClaimedBackfill) -> _Progress:
        dataset = await self._registry.dataset(claimed.tenant_id, claimed.dataset_id)
        if not dataset.tenant_active:
            raise TenantSuspended
        settings = settings_of(dataset)
        watch = await self._watches.watch(claimed.tenant_id, dataset.id)
        if watch is None or watch.layout != settings.layout:
            watch = self._judge.fresh(dataset.id, settings.layout, watch)
        kept = Backfill(claimed.id, dataset.id, BackfillState.RUNNING, claimed.source, claimed.max_partitions, self._now())
        subject = Subject(claimed.tenant_id, dataset, settings, "drift backfill", claimed.id)
        return _Progress(claimed, subject, watch, kept)

    def _looks(self, session: WarehouseSession, table: CatalogTable, progress: _Progress) -> AsyncIterator[Sequence[Dated]]:
        if progress.claimed.source is BackfillSource.TIME_TRAVEL:
            return self._earlier_states(session, table, progress)
        return self._partitions(session, table, progress)

    async def _partitions(self, session: WarehouseSession, table: CatalogTable, progress: _Progress) -> AsyncIterator[Sequence[Dated]]:
        """Partitions by the partition column, in parts that bound the rows that come back."""
        settings, watch = progress.subject.settings, progress.watch
        partition = settings.partition
        if partition is None:
            raise BackfillImpossible
        profiler = self._look.profiler(session, progress.subject, _LOOK_SECONDS)
        clock = Clock.at(self._now(), partition)
        extent = await profiler.extent(table, partition_column(table, partition), span_end(clock, partition))
        whole = (
            past_span(None if watch.period == NEVER else watch, clock, partition, extent, progress.claimed.max_partitions)
            if extent
            else None
        )
        if extent is None or whole is None:
            return
        progress.watch = replace(watch, lag=clock.lag(extent[1], partition)) if watch.period == NEVER else watch
        total = count_between(whole.first, whole.end, partition.grain)
        begin, until = (instant(local, partition.timezone) for local in (whole.first, whole.end))
        progress.backfill = replace(progress.backfill, partitions_total=total, from_time=begin, to_time=until)
        size = max(1, min(_MOST_PARTITIONS, _CELLS // max(1, len(watched_columns(table, settings)))))
        end = whole.end
        while end > whole.first:
            first = max(whole.first, shifted(end, partition.grain, -size))
            measured = await self._measured(profiler, progress, table, Span(first, end, end))
            if measured.troubles and size > 1:
                size = max(1, size // 4)  # a statement was too much at once: the same partitions again, in smaller parts
                continue
            progress.backfill = _done(progress.backfill, count_between(first, end, partition.grain))
            yield [dated_profile(profile, settings, self._now(), progress.watch) for profile in measured.profiles]
            end = first

    async def _measured(self, profiler: ProfileTable, progress: _Progress, table: CatalogTable, span: Span) -> Measured:
        wish = await self._look.wish(progress.subject, table, progress.watch, span, self._now())
        measured = await profiler.execute(wish)
        progress.watch = replace(progress.watch, memos=measured.memos, exact=wish.exact)
        progress.troubles = measured.troubles
        if not measured.profiles and measured.troubles and count_between(span.first, span.end, _grain(progress)) == 1:
            raise StatementTimedOut(f"One partition alone could not be profiled: {measured.troubles[0]}")
        return measured

    async def _earlier_states(self, session: WarehouseSession, table: CatalogTable, progress: _Progress) -> AsyncIterator[Sequence[Dated]]:
        """The whole table as it was at the end of earlier periods."""
        settings = progress.subject.settings
        local_now, zone = local_time(self._now(), settings.zone), ZoneInfo(settings.zone)
        moments = list(past_moments(local_now, settings, table.retention_days, progress.claimed.max_partitions))
        if not moments:
            raise BackfillImpossible("Snowflake keeps no earlier states of this table: its DATA_RETENTION_TIME_IN_DAYS is 0.")
        progress.backfill = replace(progress.backfill, partitions_total=len(moments))
        for moment in moments:
            dialect = TimeTravelDialect(moment.replace(tzinfo=zone))
            profiler = self._look.profiler(session, progress.subject, _LOOK_SECONDS, dialect)
            wish = replace(await self._look.wish(progress.subject, table, progress.watch, None, self._now()), as_of=moment)
            measured = await profiler.execute(wish)
            if not measured.profiles:
                if not progress.backfill.partitions_done:
                    raise BackfillImpossible(f"The warehouse answers nothing about earlier states of the table. {measured.troubles[0]}")
                return  # the table is younger than its retention
            progress.watch = replace(progress.watch, memos=measured.memos, exact=wish.exact)
            # A state at the end of a period is what a run at the end of that period would have seen.
            start = instant(shifted(moment, settings.grain, -1), settings.zone)
            progress.backfill = _done(progress.backfill, 1)
            yield [Dated(profile, start, instant(moment, settings.zone)) for profile in measured.profiles]

    async def _keep(self, progress: _Progress, look: Sequence[Dated]) -> None:
        """Store what was seen, and say how far it is. Raises BackfillStopped."""
        kept = [self._kept(progress, dated) for dated in look]
        if kept:
            await self._profiles.add_past(progress.subject.tenant_id, kept)
        stop = await self._queue.progress(progress.claimed, progress.backfill)
        if stop is not False:
            raise BackfillStopped

    def _kept(self, progress: _Progress, dated: Dated) -> KeptProfile:
        return KeptProfile(
            id=self._new_id(),
            dataset_id=progress.subject.dataset.id,
            layout=progress.subject.settings.layout,
            period=dated.period,
            time=dated.time,
            profile=dated.profile,
            standing=Standing.NORMAL if dated.profile.complete else Standing.INCOMPLETE,
            create_time=self._now(),
            backfilled=True,
        )


def _grain(progress: _Progress) -> Grain:
    partition = progress.subject.settings.partition
    return partition.grain if partition else progress.subject.settings.grain


def _done(backfill: Backfill, count: int) -> Backfill:
    return replace(backfill, partitions_done=backfill.partitions_done + count)

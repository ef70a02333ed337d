"""Profiles a dataset and judges it against its past, once a run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from services.common.errors import DependencyUnavailable
from services.drift.app.await_history import AwaitHistory
from services.drift.app.judge_profiles import Case, Folded, JudgeProfiles
from services.drift.app.look_at_table import Look, LookAtTable, Subject
from services.drift.app.new_baseline import WINDOW, Reason, next_baseline
from services.drift.app.ports import BaselineStore, NewBaseline, Outcome, ProfileStore, Registry, WatchStore
from services.drift.app.rebuild_history import RebuildHistory
from services.drift.app.settings_of import settings_of
from services.drift.domain.baseline import Origin
from services.drift.domain.errors import StateMoved, StateUnreadable, TableNotFound, TenantSuspended
from services.drift.domain.periods import instant, local_time, start_of
from services.drift.domain.record import DriftKind, Evaluation, Finding, Found, Severity, Watch, worst_first

_log = logging.getLogger(__name__)
_ATTEMPTS = 8
"""Times that a result is judged anew because another evaluation of the dataset was first."""


@dataclass(frozen=True, slots=True)
class EvaluateCommand:
    """What the runner asks for."""

    tenant_id: str
    dataset_id: str
    run_id: str
    seconds: float
    """How long it may take."""


class EvaluateDataset:
    """Answers what one run found; a repeated call answers the same."""

    def __init__(
        self,
        registry: Registry,
        look: LookAtTable,
        history: AwaitHistory,
        judge: JudgeProfiles,
        rebuild: RebuildHistory,
        watches: WatchStore,
        profiles: ProfileStore,
        baselines: BaselineStore,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._registry = registry
        self._look = look
        self._history = history
        self._judge = judge
        self._rebuild = rebuild
        self._watches = watches
        self._profiles = profiles
        self._baselines = baselines
        self._now = now
        self._new_id = new_id

    async def execute(self, command: EvaluateCommand) -> Evaluation:
        """Raises DatasetNotFound, TenantSuspended, InvalidDriftSettings, TableNotFound, EgressDenied, WarehouseUnreachable,
        WarehouseRefusedLogin and DependencyUnavailable.
        """
        known = await self._watches.evaluation(command.tenant_id, command.run_id)
        if known:
            return known
        dataset = await self._registry.dataset(command.tenant_id, command.dataset_id)
        if not dataset.tenant_active:
            raise TenantSuspended
        subject = Subject(command.tenant_id, dataset, settings_of(dataset), "drift", command.run_id)
        left = await self._history.execute(subject, command.seconds)
        watch = await self._watch(subject)
        look = await self._look.execute(subject, watch, self._now(), left)
        for _ in range(_ATTEMPTS):
            try:
                return await self._judged(command, subject, look)
            except StateMoved:
                known = await self._watches.evaluation(command.tenant_id, command.run_id)
                if known:
                    return known
            except StateUnreadable:
                _log.warning("A dataset is learned anew.", extra={"dataset": command.dataset_id})
                reason = Reason(Origin.BACKFILL, "Learned anew from the stored profiles, by a newer version of the engine.")
                await self._rebuild.execute(subject, watch, reason)
        raise DependencyUnavailable("Too many evaluations of this dataset run at the same time; try again.", service="drift")

    async def _watch(self, subject: Subject) -> Watch:
        """What is known; of another layout nothing counts."""
        watch = await self._watches.watch(subject.tenant_id, subject.dataset.id)
        if watch is None or watch.layout != subject.settings.layout:
            return self._judge.fresh(subject.dataset.id, subject.settings.layout, watch)
        return watch

    async def _judged(self, command: EvaluateCommand, subject: Subject, look: Look) -> Evaluation:
        watch = await self._watch(subject)
        if look.table is None or look.watch is None:
            return await self._store(command, Folded(watch), [self._gone(command, subject, watch)], complete=False, stored=None)
        watch, expired = await self._without_expired(subject, watch)
        watch = replace(watch, memos={**look.watch.memos, **watch.memos}, exact=look.watch.exact, lag=look.watch.lag)
        window = await self._profiles.newest(subject.tenant_id, subject.dataset.id, watch.layout, WINDOW)
        case = Case(
            dataset_id=subject.dataset.id,
            run_id=command.run_id,
            settings=subject.settings,
            table=look.table,
            profiles=look.profiles,
            troubles=look.troubles,
            window=window,
            dialect=subject.dataset.dialect,
        )
        folded = await asyncio.to_thread(self._judge.execute, watch, case)
        folded.baselines[:0] = expired
        complete = bool(folded.profiles) and all(kept.profile.complete for kept in folded.profiles)
        notes = [] if folded.profiles else [self._unmeasured(command, subject, look)]
        stored = folded.watch if folded.profiles else None
        return await self._store(command, folded, [*folded.findings, *notes], complete=complete, stored=stored)

    async def _store(
        self, command: EvaluateCommand, folded: Folded, findings: list[Finding], *, complete: bool, stored: Watch | None
    ) -> Evaluation:
        ordered = worst_first(tuple(findings))
        evaluation = Evaluation(command.run_id, command.dataset_id, ordered, len(folded.profiles), complete, self._now())
        outcome = Outcome(stored, folded.profiles, ordered, folded.baselines if stored else (), evaluation)
        return await self._watches.record(command.tenant_id, outcome) or evaluation

    async def _without_expired(self, subject: Subject, watch: Watch) -> tuple[Watch, list[NewBaseline]]:
        """The watch, gone back to the version before when the active one was accepted for a time that is over."""
        if not watch.baseline_version or not watch.revision:
            return watch, []
        active = await self._baselines.get(subject.tenant_id, subject.dataset.id, 0)
        if active.expire_time is None or active.expire_time > self._now():
            return watch, []
        closing = await self._baselines.closing(subject.tenant_id, subject.dataset.id, active.parent_version)
        window = await self._profiles.newest(subject.tenant_id, subject.dataset.id, watch.layout, WINDOW, learned=True)
        reason = Reason(Origin.EXPIRY, f"Version {active.version} was accepted until {active.expire_time:%Y-%m-%d %H:%M} UTC.")
        after, new = next_baseline(watch, watch.state, window, reason, self._now())
        return gone_back(after, closing.state, closing.period), [new]

    def _gone(self, command: EvaluateCommand, subject: Subject, watch: Watch) -> Finding:
        """Raises TableNotFound for a table that was never there."""
        if not watch.revision:
            raise TableNotFound(f"The warehouse has no table {subject.dataset.table}, or the login may not read it.")
        message = f"The table {subject.dataset.table} is gone, or the login may not read it any more."
        found = Found(DriftKind.SCHEMA, "table_missing", (), message, Severity.CRITICAL, 1.0)
        return self._note(command, subject, found)

    def _unmeasured(self, command: EvaluateCommand, subject: Subject, look: Look) -> Finding:
        message = f"Nothing could be measured. {' '.join(look.troubles)}".strip()
        return self._note(command, subject, Found(DriftKind.VOLUME, "profile_incomplete", (), message, Severity.INFO, 1.0))

    def _note(self, command: EvaluateCommand, subject: Subject, found: Found) -> Finding:
        zone = subject.settings.zone
        period = instant(start_of(local_time(self._now(), zone), subject.settings.grain), zone)
        return Finding(
            self._new_id(), command.dataset_id, replace(found, since=found.since or period), period, self._now(), run_id=command.run_id
        )


def gone_back(watch: Watch, state: str, period: datetime | None) -> Watch:
    """The watch with the state that an earlier version closed with.

    When that was in the newest period, `before` is still what was known before it; otherwise the newest period is not in the
    state at all, so that it is what comes before it.
    """
    before = watch.before if period == watch.period else state
    return replace(watch, state=state, before=before, decisions=())

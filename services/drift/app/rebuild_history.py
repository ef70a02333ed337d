"""Learns a dataset's history anew, from its stored profiles and all that was decided about them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.common.errors import DependencyUnavailable
from services.drift.app.judge_profiles import JudgeProfiles
from services.drift.app.look_at_table import Subject
from services.drift.app.new_baseline import Reason, next_baseline
from services.drift.app.ports import Acceptance, BaselineStore, Engine, FindingStore, Judged, Outcome, ProfileStore, WatchStore
from services.drift.domain.baseline import Mode
from services.drift.domain.errors import StateMoved, StateUnreadable
from services.drift.domain.record import Band, Feedback, Finding, KeptProfile, Standing, Watch
from services.drift.domain.watch_settings import WatchSettings

MOST_PROFILES = 1000
"""As many as a backfill may have; older ones have no say in what is normal today."""
_ATTEMPTS = 8

Standings = dict[str, tuple[Standing, Band | None]]


@dataclass(frozen=True, slots=True)
class Past:
    """All that a history is learned from, by time."""

    profiles: Sequence[KeptProfile]
    acceptances: Sequence[Acceptance]
    said: Sequence[tuple[Finding, Feedback]]


class RebuildHistory:
    """Judges all stored profiles in order, silently."""

    def __init__(
        self,
        engine: Engine,
        judge: JudgeProfiles,
        watches: WatchStore,
        profiles: ProfileStore,
        findings: FindingStore,
        baselines: BaselineStore,
        now: Callable[[], datetime],
    ) -> None:
        self._engine = engine
        self._judge = judge
        self._watches = watches
        self._profiles = profiles
        self._findings = findings
        self._baselines = baselines
        self._now = now

    async def execute(self, subject: Subject, learned: Watch, reason: Reason) -> None:
        """Store what is known afterwards, as a new version. `learned` holds what was decided about columns meanwhile."""
        for _ in range(_ATTEMPTS):
            try:
                return await self._once(subject, learned, reason)
            except StateMoved:
                continue
        raise DependencyUnavailable("Too many evaluations of this dataset run at the same time; try again.", service="drift")

    async def _once(self, subject: Subject, learned: Watch, reason: Reason) -> None:
        tenant_id, dataset_id, layout = subject.tenant_id, subject.dataset.id, subject.settings.layout
        watch = await self._watches.watch(tenant_id, dataset_id)
        if watch is None or watch.layout != layout:
            watch = self._judge.fresh(dataset_id, layout, watch)
        watch = replace(watch, memos={**learned.memos, **watch.memos}, exact=learned.exact)
        watch = replace(watch, lag=learned.lag) if not watch.revision else watch
        kept = await self._profiles.newest(tenant_id, dataset_id, layout, MOST_PROFILES)
        if not kept:
            return
        past = Past(kept, await self._baselines.acceptances(tenant_id, dataset_id), await self._findings.heard(tenant_id, dataset_id))
        after, standings = await asyncio.to_thread(self._learn, watch, past, subject.settings)
        judged = [replace(profile, standing=standings[profile.id][0]) for profile in kept]
        after, new = next_baseline(after, watch.state, judged, reason, self._now())
        await self._watches.record(tenant_id, Outcome(after, baselines=[new]))
        await self._profiles.judge_again(tenant_id, standings)

    def _learn(self, watch: Watch, past: Past, settings: WatchSettings) -> tuple[Watch, Standings]:
        standings: Standings = {}
        state = before = self._engine.empty()
        for profile in past.profiles:
            if profile.profile.missing:
                standings[profile.id] = (Standing.INCOMPLETE, profile.band)
                before = state
                continue
            before = state
            judgement = self._engine.judge(state, Judged(profile.profile, None, profile.time), settings)
            state, accepted = self._decided(judgement.state, profile, past, settings)
            drifted = judgement.standing is Standing.DRIFTED
            standings[profile.id] = (Standing.ACCEPTED if drifted and accepted else judgement.standing, judgement.band)
        newest = past.profiles[-1].period
        texts = [self._dumped(learned, known) for learned, known in ((state, watch.state), (before, watch.before))]
        return replace(watch, state=texts[0], before=texts[1], period=max(newest, watch.period)), standings

    def _dumped(self, learned: object, known: str) -> str:
        with contextlib.suppress(StateUnreadable):
            learned = self._engine.with_columns_of(learned, self._engine.load(known))
        return self._engine.dump(learned)

    def _decided(self, state: object, profile: KeptProfile, past: Past, settings: WatchSettings) -> tuple[object, bool]:
        """The state after what was decided about this profile, and whether it was accepted."""
        there = [acceptance.decision for acceptance in past.acceptances if acceptance.period == profile.period]
        for decision in there:
            state = self._engine.accept(state, decision.columns, decision.mode or Mode.FROM_NOW_ON, settings)
        for finding, feedback in past.said:
            if finding.partition_time == profile.time:
                state = self._engine.feedback(state, finding.found, feedback.verdict, settings)
        return state, bool(there)

"""Hears what a person says about a finding."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from services.common.errors import DependencyUnavailable
from services.drift.app.actor import Actor
from services.drift.app.ports import Engine, FindingStore, Registry, WatchStore
from services.drift.app.settings_of import settings_of
from services.drift.domain.errors import StateMoved
from services.drift.domain.record import Decision, Feedback, FeedbackVerdict, Finding, Watch
from services.drift.domain.watch_settings import WatchSettings

_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class JudgeCommand:
    """What is said, and by whom."""

    finding_id: str
    verdict: FeedbackVerdict
    comment: str
    actor: Actor


class JudgeDrift:
    """Keeps the feedback, and lets the engine hear it: it changes the next judgement."""

    def __init__(
        self, findings: FindingStore, watches: WatchStore, registry: Registry, engine: Engine, now: Callable[[], datetime]
    ) -> None:
        self._findings = findings
        self._watches = watches
        self._registry = registry
        self._engine = engine
        self._now = now

    async def execute(self, command: JudgeCommand) -> Finding:
        """Raises DriftNotFound, DatasetNotFound, InvalidDriftSettings and DependencyUnavailable."""
        tenant_id = command.actor.tenant_id
        finding = await self._findings.get(tenant_id, command.finding_id)
        settings = settings_of(await self._registry.dataset(tenant_id, finding.dataset_id))
        said = Feedback(command.verdict, command.comment, command.actor.subject, self._now())
        before = {"verdict": finding.feedback.verdict.value} if finding.feedback else None
        after = {"verdict": command.verdict.value, "comment": command.comment}
        event = command.actor.did("drift", finding.id, before=before, after=after)
        for _ in range(_ATTEMPTS):
            watch = await self._watches.watch(tenant_id, finding.dataset_id)
            heard = await asyncio.to_thread(self._heard, watch, finding, command.verdict, settings) if watch else None
            try:
                return await self._findings.judge(tenant_id, finding.id, said, heard, event)
            except StateMoved:
                continue
        raise DependencyUnavailable("Too many evaluations of this dataset run at the same time; try again.", service="drift")

    def _heard(self, watch: Watch, finding: Finding, verdict: FeedbackVerdict, settings: WatchSettings) -> Watch:
        """Both states hear it, and so does the newest period when it is judged again."""
        found = finding.found
        state, before = (
            self._engine.dump(self._engine.feedback(self._engine.load(text), found, verdict, settings))
            for text in (watch.state, watch.before)
        )
        decision = Decision(frozenset(found.columns), verdict=verdict, kind=found.kind, change=found.change)
        newest = finding.partition_time >= watch.period
        return replace(watch, state=state, before=before, decisions=(*watch.decisions, decision) if newest else watch.decisions)

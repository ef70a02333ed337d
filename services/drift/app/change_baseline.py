"""What accepting and rolling back have in common: a new version, made from what is known just now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from services.common.errors import DependencyUnavailable
from services.drift.app.actor import Actor
from services.drift.app.new_baseline import WINDOW, Reason, next_baseline
from services.drift.app.ports import NewBaseline, Outcome, ProfileStore, Registry, WatchStore
from services.drift.domain.baseline import Baseline
from services.drift.domain.errors import NothingToAccept, StateMoved
from services.drift.domain.record import Watch

_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Change:
    """What the next version is to be."""

    watch: Watch
    """What is known afterwards."""
    reason: Reason


class ChangeBaseline:
    """Stores the next version, deciding again when an evaluation was in between."""

    def __init__(self, watches: WatchStore, profiles: ProfileStore, registry: Registry, now: Callable[[], datetime]) -> None:
        self._watches = watches
        self._profiles = profiles
        self._registry = registry
        self._now = now

    async def execute(self, actor: Actor, dataset_id: str, decide: Callable[[Watch], Awaitable[Change]]) -> Baseline:
        """Raises DatasetNotFound, NothingToAccept, DependencyUnavailable and what `decide` raises."""
        for _ in range(_ATTEMPTS):
            watch = await self._watches.watch(actor.tenant_id, dataset_id)
            if watch is None:
                await self._registry.require(actor.tenant_id, dataset_id)
                raise NothingToAccept
            try:
                return (await self._store(actor, watch, await decide(watch))).baseline
            except StateMoved:
                continue
        raise DependencyUnavailable("Too many evaluations of this dataset run at the same time; try again.", service="drift")

    async def _store(self, actor: Actor, watch: Watch, change: Change) -> NewBaseline:
        window = await self._profiles.newest(actor.tenant_id, watch.dataset_id, watch.layout, WINDOW, learned=True)
        after, new = next_baseline(change.watch, watch.state, window, change.reason, self._now())
        told = {"version": new.baseline.version, "columns": list(change.reason.columns), "reason": change.reason.text}
        event = actor.did("baseline", watch.dataset_id, before={"version": watch.baseline_version}, after=told)
        await self._watches.record(actor.tenant_id, Outcome(after, baselines=[new], event=event))
        return new

"""Accepts what was found: from here on, or this once, it is normal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from services.common.errors import FieldViolation, InvalidRequest
from services.drift.app.actor import Actor
from services.drift.app.change_baseline import Change, ChangeBaseline
from services.drift.app.new_baseline import Reason
from services.drift.app.ports import Engine, ProfileStore, Registry
from services.drift.app.settings_of import settings_of
from services.drift.domain.baseline import Baseline, Mode, Origin
from services.drift.domain.record import Decision, Watch
from services.drift.domain.watch_settings import WatchSettings


@dataclass(frozen=True, slots=True)
class AcceptCommand:
    """What is accepted, how, and by whom."""

    dataset_id: str
    actor: Actor
    columns: tuple[str, ...] = ()
    """Empty: the whole table, its number of rows included."""
    mode: Mode = Mode.FROM_NOW_ON
    reason: str = ""
    expire_time: datetime | None = None


class AcceptBaseline:
    """Answers the new version."""

    def __init__(
        self, change: ChangeBaseline, profiles: ProfileStore, registry: Registry, engine: Engine, now: Callable[[], datetime]
    ) -> None:
        self._change = change
        self._profiles = profiles
        self._registry = registry
        self._engine = engine
        self._now = now

    async def execute(self, command: AcceptCommand) -> Baseline:
        """Raises DatasetNotFound, NothingToAccept, InvalidRequest, InvalidDriftSettings and DependencyUnavailable."""
        self._check_expiry(command)
        tenant_id = command.actor.tenant_id
        settings = settings_of(await self._registry.dataset(tenant_id, command.dataset_id))

        async def decide(watch: Watch) -> Change:
            columns = await self._columns(tenant_id, watch, command.columns)
            reason = Reason(Origin.ACCEPTED, command.reason, command.actor.subject, columns, command.mode, command.expire_time)
            return Change(await asyncio.to_thread(self._accepted, watch, Decision(frozenset(columns), command.mode), settings), reason)

        return await self._change.execute(command.actor, command.dataset_id, decide)

    def _check_expiry(self, command: AcceptCommand) -> None:
        if command.expire_time is None:
            return
        if command.mode is not Mode.FROM_NOW_ON:
            raise InvalidRequest([FieldViolation("expire_time", "is only for mode FROM_NOW_ON")])
        if command.expire_time <= self._now():
            raise InvalidRequest([FieldViolation("expire_time", "must be in the future")])

    async def _columns(self, tenant_id: str, watch: Watch, written: tuple[str, ...]) -> tuple[str, ...]:
        """The columns as they are profiled; the case of a name does not matter where it is clear."""
        newest = await self._profiles.newest(tenant_id, watch.dataset_id, watch.layout, 1)
        known = [column.name for kept in newest for column in kept.profile.columns]
        stored = []
        for number, name in enumerate(written):
            alike = [column for column in known if column.casefold() == name.casefold()]
            found = name if name in known else alike[0] if len(alike) == 1 else None
            if found is None:
                raise InvalidRequest([FieldViolation(f"columns[{number}]", f"{name!r} is no column of the newest profile")])
            stored.append(found)
        return tuple(dict.fromkeys(stored))

    def _accepted(self, watch: Watch, decision: Decision, settings: WatchSettings) -> Watch:
        state = self._engine.accept(self._engine.load(watch.state), decision.columns, decision.mode or Mode.FROM_NOW_ON, settings)
        return replace(watch, state=self._engine.dump(state), decisions=(*watch.decisions, decision))

"""Queues a backfill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from services.drift.app.actor import Actor
from services.drift.app.ports import BackfillStore, Registry
from services.drift.app.settings_of import settings_of
from services.drift.domain.backfill import Backfill, BackfillSource, BackfillState
from services.drift.domain.errors import BackfillImpossible, TenantSuspended
from services.drift.domain.watch_settings import DEFAULT_BACKFILL


@dataclass(frozen=True, slots=True)
class StartCommand:
    """What is asked for, and by whom."""

    dataset_id: str
    actor: Actor
    max_partitions: int = 0
    """0: as the dataset's settings say."""


class StartBackfill:
    """Answers the queued backfill."""

    def __init__(self, backfills: BackfillStore, registry: Registry, now: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._backfills = backfills
        self._registry = registry
        self._now = now
        self._new_id = new_id

    async def execute(self, command: StartCommand) -> Backfill:
        """Raises DatasetNotFound, TenantSuspended, InvalidDriftSettings, BackfillImpossible and BackfillRunning."""
        dataset = await self._registry.dataset(command.actor.tenant_id, command.dataset_id)
        if not dataset.tenant_active:
            raise TenantSuspended
        settings = settings_of(dataset)
        if settings.partition is None and dataset.dialect != "snowflake":
            raise BackfillImpossible(dataset=dataset.id)
        source = BackfillSource.PARTITION_COLUMN if settings.partition else BackfillSource.TIME_TRAVEL
        count = command.max_partitions or settings.backfill or DEFAULT_BACKFILL
        new = Backfill(self._new_id(), dataset.id, BackfillState.QUEUED, source, count, self._now(), requested_by=command.actor.subject)
        event = command.actor.did("backfill", new.id, after={"dataset_id": dataset.id, "max_partitions": count})
        return await self._backfills.start(command.actor.tenant_id, new, event)

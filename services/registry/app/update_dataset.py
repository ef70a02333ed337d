"""Changing datasets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from services.common.errors import EtagMismatch
from services.registry.app.auditing import AuditTrail
from services.registry.app.checks import count_checks
from services.registry.app.drift_settings import check_drift_settings
from services.registry.app.found import found_connection, found_dataset
from services.registry.app.ports import ChecksParser, Clock, DriftSettingsReader, Store, TenantTransaction
from services.registry.app.tenants import hold_writable_tenant
from services.registry.domain.caller import Caller
from services.registry.domain.dataset import Dataset, DatasetDraft
from services.registry.domain.dataset_rules import check_draft, check_place
from services.registry.domain.revision import check_etag
from services.registry.domain.tenant import Quotas

# Rounds against somebody who changes the same dataset all the time.
_ATTEMPTS = 3


class UpdateDataset:
    """Changes a dataset. Checks are parsed outside the transaction, so the change is made only if none came between."""

    def __init__(self, store: Store, parser: ChecksParser, trail: AuditTrail, now: Clock, drift: DriftSettingsReader | None = None) -> None:
        self._store = store
        self._parser = parser
        self._drift = drift
        self._trail = trail
        self._now = now

    async def execute(self, caller: Caller, dataset_id: str, change: Callable[[Dataset], DatasetDraft], etag: str) -> Dataset:
        """The dataset as `change` makes it.

        Raises DatasetNotFound, EtagMismatch, InvalidRequest, InvalidChecks, InvalidDriftSettings, ConnectionNotFound, NameTaken,
        QuotaExceeded, TenantSuspended, DependencyUnavailable when changed checks cannot be parsed now, and what `change` raises.
        """
        for _ in range(_ATTEMPTS):
            async with self._store.tenant(caller.tenant) as tx:
                quotas = (await hold_writable_tenant(tx, caller)).quotas
                present = found_dataset(await tx.datasets.get(dataset_id), dataset_id)
                check_etag(etag, present.revision)
                wanted = change(present)
                if wanted == present.content:
                    return present
                check_draft(wanted)
                await _check_connection(tx, present.content, wanted)
            changed = await self._changed(present, wanted, quotas)
            if await self._save(caller, present, changed):
                return changed
        raise EtagMismatch("The dataset is being changed by others all the time; try again.")

    async def _changed(self, present: Dataset, wanted: DatasetDraft, quotas: Quotas) -> Dataset:
        count = present.check_count
        if wanted.checks_yaml != present.content.checks_yaml:
            count = await count_checks(self._parser, wanted.checks_yaml, quotas)
        if wanted.drift_yaml != present.content.drift_yaml:
            await check_drift_settings(self._drift, wanted.drift_yaml)
        return replace(present, content=wanted, check_count=count, revision=present.revision + 1, update_time=self._now())

    async def _save(self, caller: Caller, present: Dataset, changed: Dataset) -> bool:
        """Whether `changed` was stored; False when somebody else was faster."""
        async with self._store.tenant(caller.tenant) as tx:
            await hold_writable_tenant(tx, caller)
            locked = found_dataset(await tx.datasets.lock(present.id), present.id)
            if locked.revision != present.revision:
                return False
            await tx.datasets.update(changed)
            await self._trail.changed(tx, caller, present, changed)
            return True


async def _check_connection(tx: TenantTransaction, present: DatasetDraft, wanted: DatasetDraft) -> None:
    """A place that was granted when it was saved stays; one that is changed must be granted now."""
    places = [(draft.connection_id, draft.database, draft.schema) for draft in (present, wanted)]
    if places[0] == places[1]:
        return
    connection = found_connection(await tx.connections.get(wanted.connection_id), wanted.connection_id)
    check_place(wanted, connection.settings)

"""Deleting datasets."""

from __future__ import annotations

from services.common.errors import ResourceInUse, ResourceUser
from services.registry.app.auditing import AuditTrail
from services.registry.app.found import found_dataset
from services.registry.app.ports import Store, UsageInspector
from services.registry.app.tenants import MAX_NAMED_USERS, hold_writable_tenant
from services.registry.domain.caller import Caller
from services.registry.domain.dataset import DatasetUsage
from services.registry.domain.revision import check_etag


class DeleteDataset:
    """Deletes a dataset that nothing waits for. Its run history stays."""

    def __init__(self, store: Store, inspector: UsageInspector, trail: AuditTrail) -> None:
        self._store = store
        self._inspector = inspector
        self._trail = trail

    async def execute(self, caller: Caller, dataset_id: str, etag: str) -> None:
        """Raises DatasetNotFound, EtagMismatch, TenantSuspended, ResourceInUse naming its schedule and the runs that have
        not ended, and DependencyUnavailable when the quality service cannot say whether there are any."""
        async with self._store.tenant(caller.tenant) as tx:
            await hold_writable_tenant(tx, caller)
            check_etag(etag, found_dataset(await tx.datasets.get(dataset_id), dataset_id).revision)
        # Outside the transaction: no lock waits for another service. A run that starts between finds no dataset, and says so.
        users = _users(dataset_id, await self._inspector.usage(caller.tenant, dataset_id))
        if users:
            raise ResourceInUse(users=users[:MAX_NAMED_USERS])
        async with self._store.tenant(caller.tenant) as tx:
            await hold_writable_tenant(tx, caller)
            present = found_dataset(await tx.datasets.lock(dataset_id), dataset_id)
            check_etag(etag, present.revision)
            await tx.datasets.remove(dataset_id)
            await self._trail.deleted(tx, caller, present)


def _users(dataset_id: str, usage: DatasetUsage) -> list[ResourceUser]:
    schedules = [ResourceUser("schedule", dataset_id, "of the dataset")] if usage.has_schedule else []
    return schedules + [ResourceUser("run", run_id) for run_id in usage.active_run_ids]

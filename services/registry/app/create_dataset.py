"""Creating datasets."""

from __future__ import annotations

from services.common.errors import QuotaExceeded
from services.registry.app.auditing import AuditTrail
from services.registry.app.checks import count_checks
from services.registry.app.drift_settings import check_drift_settings
from services.registry.app.found import found_connection
from services.registry.app.idempotency import Idempotency
from services.registry.app.ports import ChecksParser, Clock, DriftSettingsReader, IdSource, Sealer, Store, TenantTransaction
from services.registry.app.tenants import hold_writable_tenant, lock_writable_tenant
from services.registry.domain.caller import Caller
from services.registry.domain.dataset import Dataset, DatasetDraft
from services.registry.domain.dataset_rules import check_draft, check_place
from services.registry.domain.errors import DatasetNotFound
from services.registry.domain.request_key import RequestKey
from services.registry.domain.tenant import Tenant


class CreateDataset:
    """Saves a dataset whose checks parse and whose drift settings make sense."""

    def __init__(
        self,
        store: Store,
        parser: ChecksParser,
        sealer: Sealer,
        trail: AuditTrail,
        new_id: IdSource,
        now: Clock,
        drift: DriftSettingsReader | None = None,
    ) -> None:
        self._store = store
        self._parser = parser
        self._drift = drift
        self._idempotency = Idempotency("CreateDataset", sealer)
        self._trail = trail
        self._new_id = new_id
        self._now = now

    async def execute(self, caller: Caller, draft: DatasetDraft, request: RequestKey | None) -> Dataset:
        """The new dataset, or the one an earlier call with this request made.

        Raises InvalidRequest, InvalidChecks, InvalidDriftSettings, ConnectionNotFound, NameTaken, RequestIdReused, QuotaExceeded,
        TenantSuspended, DependencyUnavailable when the checks cannot be parsed now, and DatasetNotFound when the earlier call's is deleted.
        """
        async with self._store.tenant(caller.tenant) as tx:
            tenant = await hold_writable_tenant(tx, caller)
            earlier = await self._idempotency.find(tx.requests, caller.tenant, request)
            if earlier is None:
                check_draft(draft)
                await _check_connection(tx, draft)
        if earlier is not None:
            return await self._earlier(caller, earlier)
        count = await count_checks(self._parser, draft.checks_yaml, tenant.quotas)
        await check_drift_settings(self._drift, draft.drift_yaml)
        now = self._now()
        return await self._save(caller, Dataset(self._new_id(), caller.tenant, draft, count, now, now), request)

    async def _save(self, caller: Caller, dataset: Dataset, request: RequestKey | None) -> Dataset:
        async with self._store.tenant(caller.tenant) as tx:
            tenant = await lock_writable_tenant(tx, caller)
            earlier = await self._idempotency.claim(tx.requests, caller.tenant, request, dataset.id)
            if earlier is None:
                await _check_quota(tx, tenant)
                await tx.datasets.add(dataset)
                await self._trail.created(tx, caller, dataset)
                return dataset
        return await self._earlier(caller, earlier)

    async def _earlier(self, caller: Caller, dataset_id: str) -> Dataset:
        async with self._store.tenant(caller.tenant) as tx:
            dataset = await tx.datasets.get(dataset_id)
        if dataset is None:
            raise DatasetNotFound("The dataset that this request_id created has been deleted.", dataset=dataset_id)
        return dataset


async def _check_connection(tx: TenantTransaction, draft: DatasetDraft) -> None:
    connection = found_connection(await tx.connections.get(draft.connection_id), draft.connection_id)
    check_place(draft, connection.settings)


async def _check_quota(tx: TenantTransaction, tenant: Tenant) -> None:
    most = tenant.quotas.effective().max_datasets
    if await tx.datasets.count() >= most:
        raise QuotaExceeded(f"The tenant has {most} datasets, which is its quota.", quota="max_datasets", limit=str(most))

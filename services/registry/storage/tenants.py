"""Tenants in Postgres."""

from __future__ import annotations

import asyncpg

from services.common.postgres import Connection as Session
from services.common.sql import load_statements
from services.registry.domain.tenant import Quotas, Tenant, TenantState
from services.registry.storage.rows import unique_name

SQL = load_statements("services.registry.storage.sql", "tenants.sql")


class TenantRepository:
    """The tenant of one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, tenant: Tenant) -> None:
        """Raises NameTaken."""
        quotas = tenant.quotas
        limits = (quotas.max_concurrent_runs, quotas.max_datasets, quotas.max_checks_per_dataset)
        times = (tenant.create_time, tenant.update_time)
        with unique_name("tenants_name_key", tenant.name):
            await self._session.execute(
                SQL.add_tenant, tenant.id, tenant.name, tenant.display_name, *limits, tenant.state, tenant.revision, *times
            )

    async def get(self, tenant_id: str) -> Tenant | None:
        return read_tenant(await self._session.fetchrow(SQL.get_tenant, tenant_id))

    async def hold(self, tenant_id: str) -> Tenant | None:
        """The tenant, which stays as it is until the transaction ends."""
        return read_tenant(await self._session.fetchrow(SQL.hold_tenant, tenant_id))

    async def lock(self, tenant_id: str) -> Tenant | None:
        """The tenant, which nobody else holds until the transaction ends."""
        return read_tenant(await self._session.fetchrow(SQL.lock_tenant, tenant_id))

    async def update(self, tenant: Tenant) -> None:
        quotas = tenant.quotas
        limits = (quotas.max_concurrent_runs, quotas.max_datasets, quotas.max_checks_per_dataset)
        await self._session.execute(
            SQL.update_tenant, tenant.id, tenant.display_name, *limits, tenant.state, tenant.revision, tenant.update_time
        )

    async def remove(self, tenant_id: str) -> None:
        """Removes the tenant with its API keys and remembered requests."""
        for statement in (SQL.remove_keys_of_tenant, SQL.remove_requests_of_tenant, SQL.remove_tenant):
            await self._session.execute(statement, tenant_id)


def read_tenant(row: asyncpg.Record | None) -> Tenant | None:
    """The tenant of a row; None for no row."""
    return None if row is None else tenant_of(row)


def tenant_of(row: asyncpg.Record) -> Tenant:
    """The tenant of a row."""
    return Tenant(
        id=str(row["id"]),
        name=row["name"],
        create_time=row["create_time"],
        update_time=row["update_time"],
        display_name=row["display_name"],
        quotas=Quotas(row["max_concurrent_runs"], row["max_datasets"], row["max_checks_per_dataset"]),
        state=TenantState(row["state"]),
        revision=row["revision"],
    )

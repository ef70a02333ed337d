"""All that the registry keeps, in Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from services.common.audit import AuditEvent
from services.common.postgres import Connection as Session
from services.common.postgres import Database
from services.registry.app.ports import TenantTransaction
from services.registry.domain.api_key import ApiKey
from services.registry.domain.paging import Page, PageRequest
from services.registry.domain.tenant import Tenant
from services.registry.storage import api_keys, audit_events, create_requests, tenants
from services.registry.storage.connections import ConnectionRepository
from services.registry.storage.datasets import DatasetRepository
from services.registry.storage.rows import page_of, to_json


class PostgresTransaction:
    """The repositories of one transaction in one tenant."""

    def __init__(self, session: Session, tenant_id: str) -> None:
        self.tenants = tenants.TenantRepository(session)
        self.connections = ConnectionRepository(session)
        self.datasets = DatasetRepository(session)
        self.api_keys = api_keys.ApiKeyRepository(session)
        self.audit_events = audit_events.AuditEventRepository(session)
        self.requests = create_requests.RequestRepository(session, tenant_id)
        self.platform_requests = create_requests.PlatformRequestRepository(session)


class PostgresStore:
    """Opens transactions, and runs the few statements that look across tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def tenant(self, tenant_id: str) -> AsyncIterator[TenantTransaction]:
        """A transaction in one tenant: committed at the end, rolled back when an exception leaves it."""
        async with self._database.tenant_tx(tenant_id) as session:
            yield PostgresTransaction(session, tenant_id)

    async def list_tenants(self, name: str, page: PageRequest) -> Page[Tenant]:
        """All tenants, oldest first; an empty name filters nothing."""
        async with self._database.system_tx() as session:
            rows = await session.fetch(tenants.SQL.list_tenants, name, page.after[0] if page.after else None, page.size + 1)
        return page_of(rows, page.size, tenants.tenant_of, lambda tenant: (tenant.id,))

    async def find_api_key(self, key_id: str) -> ApiKey | None:
        """A key of whichever tenant."""
        async with self._database.system_tx() as session:
            row = await session.fetchrow(api_keys.SQL.find_api_key, key_id)
        return None if row is None else api_keys.api_key_of(row)

    async def note_key_uses(self, uses: Mapping[str, datetime]) -> None:
        """Set when keys, by id, were last used, unless a later use is known."""
        async with self._database.system_tx() as session:
            await session.execute(api_keys.SQL.note_key_uses, list(uses), list(uses.values()))

    async def record_audit_events(self, events: Sequence[AuditEvent]) -> None:
        """Store events of whichever tenant; one whose id is known is not stored twice."""
        async with self._database.system_tx() as session:
            await session.execute(audit_events.SQL.record_audit_events, to_json([audit_events.as_json(event) for event in events]))

    async def forget_requests(self) -> int:
        """Forget creates that are older than 24 hours; how many there were."""
        async with self._database.system_tx() as session:
            return int(await session.fetchval(create_requests.SQL.forget_requests))

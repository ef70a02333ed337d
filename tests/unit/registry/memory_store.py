"""The registry's store in memory, held to the same behaviour as the one on Postgres by tests/contract/registry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from services.common.audit import AuditEvent
from services.common.errors import NameTaken, ResourceUser
from services.registry.app.ports import TenantTransaction
from services.registry.domain.api_key import ApiKey
from services.registry.domain.audit import AuditFilter
from services.registry.domain.connection import Connection
from services.registry.domain.dataset import Dataset, DatasetFilter
from services.registry.domain.errors import ConnectionNotFound
from services.registry.domain.paging import Key, Page, PageRequest
from services.registry.domain.request_key import StoredRequest
from services.registry.domain.tenant import Tenant

Item = TypeVar("Item")
_PLATFORM = "platform"
_MEMORY = timedelta(hours=24)


@dataclass
class Rows:
    """All tables."""

    tenants: dict[str, Tenant] = field(default_factory=dict)
    connections: dict[str, Connection] = field(default_factory=dict)
    datasets: dict[str, Dataset] = field(default_factory=dict)
    api_keys: dict[str, ApiKey] = field(default_factory=dict)
    audit_events: dict[str, AuditEvent] = field(default_factory=dict)
    requests: dict[tuple[str, str, str], tuple[StoredRequest, datetime]] = field(default_factory=dict)


class MemoryStore:
    """One transaction at a time, on a copy that replaces the rows when it ends well."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.rows = Rows()
        self._now = now
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def tenant(self, tenant_id: str) -> AsyncIterator[TenantTransaction]:
        async with self._turn:
            copy = deepcopy(self.rows)
            yield MemoryTransaction(copy, tenant_id, self._now)
            self.rows = copy

    async def list_tenants(self, name: str, page: PageRequest) -> Page[Tenant]:
        return _page([tenant for tenant in self.rows.tenants.values() if name in ("", tenant.name)], page, lambda tenant: (tenant.id,))

    async def find_api_key(self, key_id: str) -> ApiKey | None:
        return self.rows.api_keys.get(key_id)

    async def note_key_uses(self, uses: Mapping[str, datetime]) -> None:
        for key_id, time in uses.items():
            known = self.rows.api_keys.get(key_id)
            if known and (known.last_use_time is None or known.last_use_time < time):
                self.rows.api_keys[key_id] = replace(known, last_use_time=time)

    async def record_audit_events(self, events: Sequence[AuditEvent]) -> None:
        for event in events:
            self.rows.audit_events.setdefault(event.id, event)

    async def forget_requests(self) -> int:
        old = [key for key, (_, time) in self.rows.requests.items() if time < self._now() - _MEMORY]
        for key in old:
            del self.rows.requests[key]
        return len(old)


class MemoryTransaction:
    def __init__(self, rows: Rows, tenant_id: str, now: Callable[[], datetime]) -> None:
        self.tenants = MemoryTenants(rows, tenant_id)
        self.connections = MemoryConnections(rows, tenant_id)
        self.datasets = MemoryDatasets(rows, tenant_id)
        self.api_keys = MemoryApiKeys(rows, tenant_id)
        self.audit_events = MemoryAuditEvents(rows, tenant_id)
        self.requests = MemoryRequests(rows, tenant_id, now)
        self.platform_requests = MemoryRequests(rows, _PLATFORM, now)


class MemoryTenants:
    def __init__(self, rows: Rows, tenant_id: str) -> None:
        self._rows, self._tenant_id = rows, tenant_id

    async def add(self, tenant: Tenant) -> None:
        _refuse_taken(tenant.name, (other.name for other in self._rows.tenants.values()))
        self._rows.tenants[tenant.id] = tenant

    async def get(self, tenant_id: str) -> Tenant | None:
        return self._rows.tenants.get(tenant_id) if tenant_id == self._tenant_id else None

    hold = lock = get

    async def update(self, tenant: Tenant) -> None:
        if await self.get(tenant.id):
            self._rows.tenants[tenant.id] = tenant

    async def remove(self, tenant_id: str) -> None:
        if await self.get(tenant_id):
            del self._rows.tenants[tenant_id]
            self._rows.api_keys = {key_id: key for key_id, key in self._rows.api_keys.items() if key.tenant_id != tenant_id}
            self._rows.requests = {key: value for key, value in self._rows.requests.items() if key[0] != tenant_id}


class MemoryConnections:
    def __init__(self, rows: Rows, tenant_id: str) -> None:
        self._rows, self._tenant_id = rows, tenant_id

    def _own(self) -> list[Connection]:
        return [connection for connection in self._rows.connections.values() if connection.tenant_id == self._tenant_id]

    async def add(self, connection: Connection) -> None:
        _refuse_taken(connection.name, (other.name for other in self._own()))
        self._rows.connections[connection.id] = connection

    async def get(self, connection_id: str) -> Connection | None:
        return next((connection for connection in self._own() if connection.id == connection_id), None)

    lock = get

    async def find(self, name: str) -> Connection | None:
        return next((connection for connection in self._own() if connection.name == name), None)

    async def list(self, name: str, page: PageRequest) -> Page[Connection]:
        return _page([one for one in self._own() if name in ("", one.name)], page, lambda one: (one.id,))

    async def first_users(self, limit: int) -> Sequence[ResourceUser]:
        return _users("connection", [(one.name, one.id) for one in self._own()], limit)

    async def update(self, connection: Connection) -> None:
        _refuse_taken(connection.name, (other.name for other in self._own() if other.id != connection.id))
        if await self.get(connection.id):
            self._rows.connections[connection.id] = connection

    async def remove(self, connection_id: str) -> None:
        if await self.get(connection_id):
            del self._rows.connections[connection_id]


class MemoryDatasets:
    def __init__(self, rows: Rows, tenant_id: str) -> None:
        self._rows, self._tenant_id = rows, tenant_id

    def _own(self) -> list[Dataset]:
        return [dataset for dataset in self._rows.datasets.values() if dataset.tenant_id == self._tenant_id]

    def _check(self, dataset: Dataset) -> None:
        _refuse_taken(dataset.content.name, (other.content.name for other in self._own() if other.id != dataset.id))
        connection = self._rows.connections.get(dataset.content.connection_id)
        if connection is None or connection.tenant_id != self._tenant_id:
            raise ConnectionNotFound(connection=dataset.content.connection_id)

    async def add(self, dataset: Dataset) -> None:
        self._check(dataset)
        self._rows.datasets[dataset.id] = dataset

    async def get(self, dataset_id: str) -> Dataset | None:
        return next((dataset for dataset in self._own() if dataset.id == dataset_id), None)

    lock = get

    async def list(self, wanted: DatasetFilter, page: PageRequest) -> Page[Dataset]:
        return _page([one for one in self._own() if _matches(one, wanted)], page, lambda one: (one.id,))

    async def count(self) -> int:
        return len(self._own())

    async def first_users(self, limit: int, connection_id: str = "") -> Sequence[ResourceUser]:
        users = [(one.content.name, one.id) for one in self._own() if connection_id in ("", one.content.connection_id)]
        return _users("dataset", users, limit)

    async def update(self, dataset: Dataset) -> None:
        self._check(dataset)
        if await self.get(dataset.id):
            self._rows.datasets[dataset.id] = dataset

    async def remove(self, dataset_id: str) -> None:
        if await self.get(dataset_id):
            del self._rows.datasets[dataset_id]


class MemoryApiKeys:
    def __init__(self, rows: Rows, tenant_id: str) -> None:
        self._rows, self._tenant_id = rows, tenant_id

    def _own(self) -> list[ApiKey]:
        return [api_key for api_key in self._rows.api_keys.values() if api_key.tenant_id == self._tenant_id]

    async def add(self, api_key: ApiKey) -> None:
        _refuse_taken(api_key.name, (other.name for other in self._own() if other.revoke_time is None))
        self._rows.api_keys[api_key.id] = api_key

    async def lock(self, key_id: str) -> ApiKey | None:
        return next((api_key for api_key in self._own() if api_key.id == key_id), None)

    async def list(self, page: PageRequest) -> Page[ApiKey]:
        return _page(self._own(), page, lambda api_key: (api_key.id,))

    async def update(self, api_key: ApiKey) -> None:
        if await self.lock(api_key.id):
            self._rows.api_keys[api_key.id] = api_key


class MemoryAuditEvents:
    def __init__(self, rows: Rows, tenant_id: str) -> None:
        self._rows, self._tenant_id = rows, tenant_id

    async def add(self, event: AuditEvent) -> None:
        self._rows.audit_events[event.id] = event

    async def list(self, wanted: AuditFilter, page: PageRequest) -> Page[AuditEvent]:
        own = [event for event in self._rows.audit_events.values() if event.tenant_id == self._tenant_id]
        return _page(
            [event for event in own if _is_wanted(event, wanted)], page, lambda event: (event.create_time, event.id), newest_first=True
        )


class MemoryRequests:
    def __init__(self, rows: Rows, owner: str, now: Callable[[], datetime]) -> None:
        self._rows, self._owner, self._now = rows, owner, now

    async def find(self, method: str, request_id: str) -> StoredRequest | None:
        request, time = self._rows.requests.get((self._owner, method, request_id), (None, self._now()))
        return request if time >= self._now() - _MEMORY else None

    async def claim(self, method: str, request_id: str, request: StoredRequest) -> bool:
        if await self.find(method, request_id):
            return False
        self._rows.requests[(self._owner, method, request_id)] = (request, self._now())
        return True


def _refuse_taken(name: str, names: Any) -> None:
    if name in set(names):
        raise NameTaken(name=name)


def _users(kind: str, users: list[tuple[str, str]], limit: int) -> Sequence[ResourceUser]:
    return [ResourceUser(kind, user_id, name) for name, user_id in sorted(users)[:limit]]


def _matches(dataset: Dataset, wanted: DatasetFilter) -> bool:
    content = dataset.content
    return (
        wanted.name in ("", content.name)
        and wanted.connection_id in ("", content.connection_id)
        and wanted.tag in ("", *content.tags)
        and wanted.owner in ("", content.owner)
    )


def _is_wanted(event: AuditEvent, wanted: AuditFilter) -> bool:
    return (
        wanted.actor in ("", event.actor)
        and wanted.action in ("", event.action)
        and wanted.resource_id in ("", event.resource_id)
        and wanted.outcome in (None, event.outcome)
        and (wanted.from_time is None or event.create_time >= wanted.from_time)
        and (wanted.to_time is None or event.create_time < wanted.to_time)
    )


def _page(items: list[Item], page: PageRequest, key: Callable[[Item], Key], *, newest_first: bool = False) -> Page[Item]:
    ordered = sorted(items, key=lambda item: tuple(key(item)), reverse=newest_first)
    if page.after is not None:
        after = tuple(page.after)
        ordered = [item for item in ordered if (tuple(key(item)) < after if newest_first else tuple(key(item)) > after)]
    found = ordered[: page.size]
    return Page(found, key(found[-1]) if len(ordered) > page.size else None)

"""What the use cases need from outside. `storage/`, `clients/` and `warehouses/` provide it; tests have fakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from services.common.audit import AuditEvent
from services.common.errors import ResourceUser
from services.registry.domain.api_key import ApiKey
from services.registry.domain.audit import AuditFilter
from services.registry.domain.connection import Connection, OpenedConnection, ProbeResult
from services.registry.domain.dataset import CheckProblem, Dataset, DatasetFilter, DatasetUsage, ParsedChecks
from services.registry.domain.paging import Page, PageRequest
from services.registry.domain.request_key import StoredRequest
from services.registry.domain.tenant import Tenant

Clock = Callable[[], datetime]
"""The time now, in UTC."""

IdSource = Callable[[], str]
"""A new UUIDv7."""


class Tenants(Protocol):
    """The tenant of the transaction."""

    async def add(self, tenant: Tenant) -> None:
        """Raises NameTaken."""

    async def get(self, tenant_id: str) -> Tenant | None: ...

    async def hold(self, tenant_id: str) -> Tenant | None:
        """The tenant, which stays as it is until the transaction ends; others may hold it too."""

    async def lock(self, tenant_id: str) -> Tenant | None:
        """The tenant, which nobody else holds or locks until the transaction ends."""

    async def update(self, tenant: Tenant) -> None: ...

    async def remove(self, tenant_id: str) -> None:
        """Removes the tenant with its API keys and remembered requests. Its audit trail stays."""


class Connections(Protocol):
    """The connections of the transaction's tenant."""

    async def add(self, connection: Connection) -> None:
        """Raises NameTaken."""

    async def get(self, connection_id: str) -> Connection | None: ...

    async def find(self, name: str) -> Connection | None: ...

    async def lock(self, connection_id: str) -> Connection | None:
        """The connection, which nobody else changes, removes or refers to anew until the transaction ends."""

    async def list(self, name: str, page: PageRequest) -> Page[Connection]:
        """Oldest first; an empty name filters nothing."""

    async def first_users(self, limit: int) -> Sequence[ResourceUser]:
        """Those whose names come first in the alphabet, as what uses the tenant."""

    async def update(self, connection: Connection) -> None:
        """Raises NameTaken."""

    async def remove(self, connection_id: str) -> None: ...


class Datasets(Protocol):
    """The datasets of the transaction's tenant."""

    async def add(self, dataset: Dataset) -> None:
        """Raises NameTaken, and ConnectionNotFound when its connection is gone."""

    async def get(self, dataset_id: str) -> Dataset | None: ...

    async def lock(self, dataset_id: str) -> Dataset | None:
        """The dataset, which nobody else changes or removes until the transaction ends."""

    async def list(self, wanted: DatasetFilter, page: PageRequest) -> Page[Dataset]:
        """Oldest first. A page may be shorter than asked for, so that its bytes stay bounded."""

    async def count(self) -> int: ...

    async def first_users(self, limit: int, connection_id: str = "") -> Sequence[ResourceUser]:
        """Those whose names come first in the alphabet, as what uses the tenant or, when it is given, a connection."""

    async def update(self, dataset: Dataset) -> None:
        """Raises NameTaken, and ConnectionNotFound when its connection is gone."""

    async def remove(self, dataset_id: str) -> None: ...


class ApiKeys(Protocol):
    """The API keys of the transaction's tenant."""

    async def add(self, api_key: ApiKey) -> None:
        """Raises NameTaken when a key that is not revoked has the name."""

    async def lock(self, key_id: str) -> ApiKey | None: ...

    async def list(self, page: PageRequest) -> Page[ApiKey]:
        """Oldest first, revoked ones included."""

    async def update(self, api_key: ApiKey) -> None: ...


class AuditEvents(Protocol):
    """The audit trail of the transaction's tenant."""

    async def add(self, event: AuditEvent) -> None: ...

    async def list(self, wanted: AuditFilter, page: PageRequest) -> Page[AuditEvent]:
        """Newest first. A page may be shorter than asked for, so that its bytes stay bounded."""


class Requests(Protocol):
    """Creates that can be repeated, remembered for 24 hours."""

    async def find(self, method: str, request_id: str) -> StoredRequest | None: ...

    async def claim(self, method: str, request_id: str, request: StoredRequest) -> bool:
        """Remember a create; False when there is one under this id. Waits for another that is being made under it."""


class TenantTransaction(Protocol):
    """One transaction in one tenant: nothing of another can be read or written in it."""

    @property
    def tenants(self) -> Tenants: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def datasets(self) -> Datasets: ...
    @property
    def api_keys(self) -> ApiKeys: ...
    @property
    def audit_events(self) -> AuditEvents: ...
    @property
    def requests(self) -> Requests: ...
    @property
    def platform_requests(self) -> Requests:
        """The creates of tenants, which belong to no tenant."""


class Store(Protocol):
    """All that the registry keeps."""

    def tenant(self, tenant_id: str) -> AbstractAsyncContextManager[TenantTransaction]:
        """A transaction: committed at the end, rolled back when an exception leaves it."""

    async def list_tenants(self, name: str, page: PageRequest) -> Page[Tenant]:
        """All tenants, oldest first; an empty name filters nothing."""

    async def find_api_key(self, key_id: str) -> ApiKey | None:
        """A key of whichever tenant."""

    async def note_key_uses(self, uses: Mapping[str, datetime]) -> None:
        """Set when keys, by id, were last used, unless a later use is known."""

    async def record_audit_events(self, events: Sequence[AuditEvent]) -> None:
        """Store events of whichever tenant; one whose id is known is not stored twice."""

    async def forget_requests(self) -> int:
        """Forget creates that are older than 24 hours; how many there were."""


class Sealer(Protocol):
    """Seals secrets so that they open only in the place they were sealed for."""

    def seal(self, tenant_id: str, name: str, plaintext: bytes) -> bytes: ...

    def open(self, tenant_id: str, name: str, sealed: bytes) -> bytes: ...


class Egress(Protocol):
    """The operator's rule on which addresses tenants may have us dial."""

    async def check(self, host: str, port: int, field: str) -> Sequence[str]:
        """The addresses of `host`; none when it does not resolve, for then it cannot be dialled either. Raises EgressDenied."""


class WarehouseProbe(Protocol):
    """Logs in to warehouses to see whether it works."""

    async def probe(self, opened: OpenedConnection, addresses: Sequence[str]) -> ProbeResult:
        """What the warehouse said, within bounded time. Raises nothing that the warehouse may be the cause of.

        `addresses` are those that the egress policy let pass; where they are given, no other is dialled.
        """


class ChecksParser(Protocol):
    """The quality service, as the parser of checks."""

    async def parse(self, checks_yaml: str) -> ParsedChecks:
        """Raises DependencyUnavailable."""


class DriftSettingsReader(Protocol):
    """The drift service, as the one who knows what drift settings mean."""

    async def problems(self, drift_yaml: str) -> Sequence[CheckProblem]:
        """What is wrong with them; none when they are fine. Raises DependencyUnavailable."""


class UsageInspector(Protocol):
    """The quality service, as the one who knows what uses a dataset."""

    async def usage(self, tenant_id: str, dataset_id: str) -> DatasetUsage:
        """Raises DependencyUnavailable."""

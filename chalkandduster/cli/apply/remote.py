"""Reads and writes the resources of the platform by their names."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self, TypeVar

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from chalkandduster.cli.apply.manifest import Manifest
from chalkandduster.cli.errors import CliError
from chalkandduster.cli.lookup import find_connection, find_dataset
from chalkandduster.cli.session import Session
from chalkandduster.client import ApiError, Client
from chalkandduster.quality.v1.check_pb2 import ValidateChecksRequest, ValidateChecksResponse
from chalkandduster.quality.v1.schedule_pb2 import GetScheduleRequest, Schedule, SetScheduleRequest
from chalkandduster.registry.v1.connection_pb2 import Connection, CreateConnectionRequest, GetConnectionRequest, UpdateConnectionRequest
from chalkandduster.registry.v1.dataset_pb2 import CreateDatasetRequest, Dataset, UpdateDatasetRequest
from chalkandduster.registry.v1.tenant_pb2 import CreateTenantRequest, ListTenantsRequest, Tenant, UpdateTenantRequest

_Resource = TypeVar("_Resource", Tenant, Connection, Dataset)


class Remote:
    """The platform as `apply` sees it. A context manager: leaving it ends its connections."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tenant_exists = True
        self._stack = ExitStack()
        self._platform: Client | None = None
        self._tenant: Client | None = None
        self._connection_ids: dict[str, str] = {}
        self._connection_names: dict[str, str] = {}
        self._datasets: dict[str, Dataset | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def look_for_tenant(self, manifests: list[Manifest], name: str | None) -> None:
        """Finds out whether the tenant to act in is still to be created: then nothing is in it."""
        declared = [manifest for manifest in manifests if manifest.kind == "Tenant" and manifest.name == name]
        self._tenant_exists = not declared or self.find(declared[0]) is not None

    def find(self, manifest: Manifest) -> Message | None:
        """The resource as it is now; None when it is not there."""
        if manifest.kind == "Tenant":
            found = self.platform.registry.ListTenants(ListTenantsRequest(name=manifest.name)).tenants
            return next((tenant for tenant in found if tenant.name == manifest.name), None)
        if not self._tenant_exists:
            return None
        if manifest.kind == "Connection":
            return self._find_connection(manifest.name)
        if manifest.kind == "Dataset":
            return self._find_dataset(manifest.name)
        return self._find_schedule(manifest.refers_to)

    def has_connection(self, name: str) -> bool:
        """Whether the tenant has a connection of this name."""
        return self._tenant_exists and (name in self._connection_ids or self._find_connection(name) is not None)

    def has_dataset(self, name: str) -> bool:
        """Whether the tenant has a dataset of this name."""
        return self._tenant_exists and self._find_dataset(name) is not None

    def name_referred_to(self, manifest: Manifest, current: Message | None) -> str:
        """The name of the connection that a dataset uses now; that of a schedule's dataset is the manifest's own."""
        if not isinstance(current, Dataset):
            return manifest.refers_to if current is not None else ""
        known = self._connection_names
        if current.connection_id not in known:
            known[current.connection_id] = self.tenant.registry.GetConnection(GetConnectionRequest(id=current.connection_id)).name
        return known[current.connection_id]

    def validate_checks(self, text: str) -> ValidateChecksResponse:
        """What is wrong with checks."""
        return self.platform.quality.ValidateChecks(ValidateChecksRequest(checks_yaml=text))

    def create(self, manifest: Manifest) -> str:
        """Creates the resource; answers its id, for a schedule that of its dataset."""
        message = manifest.message
        if isinstance(message, Tenant):
            tenant = self.platform.registry.CreateTenant(CreateTenantRequest(tenant=message))
            self._tenant_exists = True
            return tenant.id
        if isinstance(message, Connection):
            connection = self.tenant.registry.CreateConnection(CreateConnectionRequest(connection=message))
            self._connection_ids[connection.name] = connection.id
            return connection.id
        if isinstance(message, Dataset):
            dataset = self.tenant.registry.CreateDataset(CreateDatasetRequest(dataset=self._linked(manifest, message)))
            self._datasets[dataset.name] = dataset
            return dataset.id
        return self._set_schedule(manifest, "")

    def update(self, manifest: Manifest, current: Message, paths: tuple[str, ...]) -> str:
        """Changes the fields at `paths`, if nobody changed the resource since; answers the id as `create` does."""
        message, mask = manifest.message, FieldMask(paths=paths)
        if isinstance(message, Tenant) and isinstance(current, Tenant):
            tenant = _guarded(message, current)
            return self.platform.registry.UpdateTenant(UpdateTenantRequest(tenant=tenant, update_mask=mask)).id
        if isinstance(message, Connection) and isinstance(current, Connection):
            connection = _guarded(message, current)
            return self.tenant.registry.UpdateConnection(UpdateConnectionRequest(connection=connection, update_mask=mask)).id
        if isinstance(message, Dataset) and isinstance(current, Dataset):
            dataset = _guarded(self._linked(manifest, message), current)
            return self.tenant.registry.UpdateDataset(UpdateDatasetRequest(dataset=dataset, update_mask=mask)).id
        return self._set_schedule(manifest, current.etag if isinstance(current, Schedule) else "")

    @property
    def platform(self) -> Client:
        """The client for calls that need no tenant."""
        if self._platform is None:
            self._platform = self._stack.enter_context(self._session.platform_client())
        return self._platform

    @property
    def tenant(self) -> Client:
        """The client for calls in the tenant."""
        if self._tenant is None:
            self._tenant = self._stack.enter_context(self._session.tenant_client())
        return self._tenant

    def _find_connection(self, name: str) -> Connection | None:
        found = find_connection(self.tenant, name)
        if found is not None:
            self._connection_ids[name] = found.id
            self._connection_names[found.id] = name
        return found

    def _find_dataset(self, name: str) -> Dataset | None:
        if name not in self._datasets:
            self._datasets[name] = find_dataset(self.tenant, name)
        return self._datasets[name]

    def _find_schedule(self, dataset_name: str) -> Schedule | None:
        dataset = self._find_dataset(dataset_name)
        if dataset is None:
            return None
        try:
            return self.tenant.quality.GetSchedule(GetScheduleRequest(dataset_id=dataset.id))
        except ApiError as error:
            if error.code is grpc.StatusCode.NOT_FOUND:
                return None
            raise

    def _linked(self, manifest: Manifest, dataset: Dataset) -> Dataset:
        linked = Dataset()
        linked.CopyFrom(dataset)
        linked.connection_id = self._connection_ids[manifest.refers_to]
        return linked

    def _set_schedule(self, manifest: Manifest, etag: str) -> str:
        dataset = self._find_dataset(manifest.refers_to)
        if dataset is None:
            raise CliError(f"{manifest.label}: there is no dataset {manifest.refers_to!r} any more")
        schedule = manifest.message if isinstance(manifest.message, Schedule) else None
        request = SetScheduleRequest(dataset_id=dataset.id, schedule=schedule)
        request.schedule.etag = etag
        self.tenant.quality.SetSchedule(request)
        return dataset.id


def _guarded(wanted: _Resource, current: _Resource) -> _Resource:
    """A copy that says what it changes, and is refused when somebody else was faster."""
    guarded = type(wanted)()
    guarded.CopyFrom(wanted)
    guarded.id, guarded.etag = current.id, current.etag
    return guarded

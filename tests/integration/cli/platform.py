"""A platform in memory behind a real gRPC server: what the client and the commands are tried against."""

# ruff: noqa: N802 - RPCs are named as in the protos

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from chalkandduster.quality.v1 import check_pb2, quality_service_pb2_grpc, run_pb2, schedule_pb2
from chalkandduster.quality.v1.run_pb2 import Run
from chalkandduster.registry.v1 import api_key_pb2, connection_pb2, dataset_pb2, registry_service_pb2_grpc, tenant_pb2
from services.common.field_mask import apply_update

_Resource = TypeVar("_Resource", tenant_pb2.Tenant, connection_pb2.Connection, dataset_pb2.Dataset)
Context = grpc.ServicerContext


def status(code: int, reason: str, message: str, violations: Mapping[str, str] | None = None) -> status_pb2.Status:
    """An error as the services make them."""
    answer = status_pb2.Status(code=code, message=message)
    answer.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="chalkandduster", metadata={"hint": "here"}))
    if violations:
        bad = error_details_pb2.BadRequest()
        for field, description in violations.items():
            bad.field_violations.add(field=field, description=description)
        answer.details.add().Pack(bad)
    return answer


class Platform:
    """The state that the servicers share, and what the tests arrange and look at."""

    def __init__(self) -> None:
        self.tenants: dict[str, tenant_pb2.Tenant] = {}
        self.connections: dict[str, connection_pb2.Connection] = {}
        self.datasets: dict[str, dataset_pb2.Dataset] = {}
        self.schedules: dict[str, schedule_pb2.Schedule] = {}
        self.api_keys: dict[str, api_key_pb2.ApiKey] = {}
        self.runs: dict[str, Run] = {}
        self.script: list[Run | status_pb2.Status | None] = []
        """What WatchRun streams: runs, an error inside the stream, or None for a stream that breaks off."""
        self.calls: list[tuple[str, Message]] = []
        self.metadata: list[dict[str, str]] = []
        self.time_left: dict[str, float | None] = {}
        """Seconds that the last call of a method had left, by its name; None without a deadline."""
        self.failures: dict[str, list[status_pb2.Status]] = {}
        """Errors that the next calls of a method answer, by its name."""
        self.connection_test = connection_pb2.TestConnectionResponse(ok=True, latency_ms=12.3, server_version="8.1")
        self.checks_errors: list[check_pb2.CheckError] = []

    def requests(self, method: str) -> list[Any]:
        """The requests of a method, in their order."""
        return [request for name, request in self.calls if name == method]

    def changes(self) -> list[str]:
        """The methods called that change something."""
        return [name for name, _ in self.calls if name.startswith(("Create", "Update", "Set", "Delete", "Revoke"))]

    def add_tenant(self, name: str) -> str:
        tenant = tenant_pb2.Tenant(id=new_id(), name=name, display_name=name, state=tenant_pb2.Tenant.ACTIVE, etag="1")
        self.tenants[tenant.id] = tenant
        return tenant.id

    def add_dataset(self, name: str, connection_id: str = "") -> str:
        dataset = dataset_pb2.Dataset(id=new_id(), name=name, connection_id=connection_id or new_id(), table=name, etag="1")
        self.datasets[dataset.id] = dataset
        return dataset.id

    def note(self, method: str, request: Message, context: Context) -> None:
        """Records a call; fails it when a failure is arranged."""
        kept = type(request)()
        kept.CopyFrom(request)
        self.calls.append((method, kept))
        self.metadata.append({key: str(value) for key, value in context.invocation_metadata()})
        self.time_left[method] = context.time_remaining()
        if self.failures.get(method):
            abort(context, self.failures[method].pop(0))


def new_id() -> str:
    return str(uuid.uuid4())


def abort(context: Context, error: status_pb2.Status) -> NoReturn:
    context.abort_with_status(rpc_status.to_status(error))
    raise AssertionError("unreachable")


def _next_etag(etag: str) -> str:
    return str(int(etag or "0") + 1)


def _page(items: Sequence[Any], request: Any) -> tuple[list[Any], str]:
    start, size = int(request.page_token or "0"), min(request.page_size or 50, 1000)
    return list(items[start : start + size]), str(start + size) if start + size < len(items) else ""


def _update(context: Context, current: _Resource | None, patch: _Resource, mask: FieldMask, allowed: Sequence[str]) -> _Resource:
    if current is None:
        abort(context, status(code_pb2.NOT_FOUND, "NOT_FOUND", "not there"))
    if patch.etag and patch.etag != current.etag:
        abort(context, status(code_pb2.ABORTED, "ETAG_MISMATCH", "The resource changed since it was read."))
    changed = apply_update(current, patch, mask, allowed)
    changed.id, changed.etag = current.id, _next_etag(current.etag)
    return changed


class Registry(registry_service_pb2_grpc.RegistryServiceServicer):
    """The registry, as far as the commands use it."""

    def __init__(self, platform: Platform) -> None:
        self.p = platform

    def CreateTenant(self, request: tenant_pb2.CreateTenantRequest, context: Context) -> tenant_pb2.Tenant:
        self.p.note("CreateTenant", request, context)
        tenant = request.tenant
        tenant.id, tenant.etag = new_id(), "1"
        tenant.display_name = tenant.display_name or tenant.name
        tenant.state = tenant.state or tenant_pb2.Tenant.ACTIVE
        self.p.tenants[tenant.id] = tenant
        return tenant

    def ListTenants(self, request: tenant_pb2.ListTenantsRequest, context: Context) -> tenant_pb2.ListTenantsResponse:
        self.p.note("ListTenants", request, context)
        found = [tenant for tenant in self.p.tenants.values() if request.name in ("", tenant.name)]
        page, token = _page(found, request)
        return tenant_pb2.ListTenantsResponse(tenants=page, next_page_token=token)

    def UpdateTenant(self, request: tenant_pb2.UpdateTenantRequest, context: Context) -> tenant_pb2.Tenant:
        self.p.note("UpdateTenant", request, context)
        current = self.p.tenants.get(request.tenant.id)
        changed = _update(context, current, request.tenant, request.update_mask, ("display_name", "quotas", "state"))
        self.p.tenants[changed.id] = changed
        return changed

    def CreateConnection(self, request: connection_pb2.CreateConnectionRequest, context: Context) -> connection_pb2.Connection:
        self.p.note("CreateConnection", request, context)
        connection = request.connection
        connection.id, connection.etag = new_id(), "1"
        _seal(connection)
        self.p.connections[connection.id] = connection
        return connection

    def GetConnection(self, request: connection_pb2.GetConnectionRequest, context: Context) -> connection_pb2.Connection:
        self.p.note("GetConnection", request, context)
        return self.p.connections[request.id]

    def ListConnections(self, request: connection_pb2.ListConnectionsRequest, context: Context) -> connection_pb2.ListConnectionsResponse:
        self.p.note("ListConnections", request, context)
        found = [each for each in self.p.connections.values() if request.name in ("", each.name)]
        page, token = _page(found, request)
        return connection_pb2.ListConnectionsResponse(connections=page, next_page_token=token)

    def UpdateConnection(self, request: connection_pb2.UpdateConnectionRequest, context: Context) -> connection_pb2.Connection:
        self.p.note("UpdateConnection", request, context)
        current = self.p.connections.get(request.connection.id)
        changed = _update(context, current, request.connection, request.update_mask, ("name", "description", "snowflake", "postgres"))
        _seal(changed)
        self.p.connections[changed.id] = changed
        return changed

    def TestConnection(self, request: connection_pb2.TestConnectionRequest, context: Context) -> connection_pb2.TestConnectionResponse:
        self.p.note("TestConnection", request, context)
        return self.p.connection_test

    def CreateDataset(self, request: dataset_pb2.CreateDatasetRequest, context: Context) -> dataset_pb2.Dataset:
        self.p.note("CreateDataset", request, context)
        dataset = request.dataset
        dataset.id, dataset.etag = new_id(), "1"
        self.p.datasets[dataset.id] = dataset
        return dataset

    def ListDatasets(self, request: dataset_pb2.ListDatasetsRequest, context: Context) -> dataset_pb2.ListDatasetsResponse:
        self.p.note("ListDatasets", request, context)
        found = [each for each in self.p.datasets.values() if request.name in ("", each.name)]
        page, token = _page(found, request)
        return dataset_pb2.ListDatasetsResponse(datasets=page, next_page_token=token)

    def UpdateDataset(self, request: dataset_pb2.UpdateDatasetRequest, context: Context) -> dataset_pb2.Dataset:
        self.p.note("UpdateDataset", request, context)
        allowed = [field.name for field in dataset_pb2.Dataset.DESCRIPTOR.fields]
        changed = _update(context, self.p.datasets.get(request.dataset.id), request.dataset, request.update_mask, allowed)
        self.p.datasets[changed.id] = changed
        return changed

    def CreateApiKey(self, request: api_key_pb2.CreateApiKeyRequest, context: Context) -> api_key_pb2.ApiKey:
        self.p.note("CreateApiKey", request, context)
        key = request.api_key
        key.id = new_id()
        self.p.api_keys[key.id] = key
        shown = api_key_pb2.ApiKey()
        shown.CopyFrom(key)
        shown.key = f"chk_{key.id}_secret"
        return shown

    def ListApiKeys(self, request: api_key_pb2.ListApiKeysRequest, context: Context) -> api_key_pb2.ListApiKeysResponse:
        self.p.note("ListApiKeys", request, context)
        return api_key_pb2.ListApiKeysResponse(api_keys=self.p.api_keys.values())

    def RevokeApiKey(self, request: api_key_pb2.RevokeApiKeyRequest, context: Context) -> api_key_pb2.ApiKey:
        self.p.note("RevokeApiKey", request, context)
        key = self.p.api_keys[request.id]
        key.revoke_time.GetCurrentTime()
        return key


class Quality(quality_service_pb2_grpc.QualityServiceServicer):
    """The quality service, as far as the commands use it."""

    def __init__(self, platform: Platform) -> None:
        self.p = platform

    def TriggerDataset(self, request: run_pb2.TriggerDatasetRequest, context: Context) -> Run:
        self.p.note("TriggerDataset", request, context)
        run = Run(id=new_id(), dataset_id=request.dataset_id, kinds=request.kinds, state=Run.QUEUED)
        self.p.runs[run.id] = run
        return run

    def GetRun(self, request: run_pb2.GetRunRequest, context: Context) -> Run:
        self.p.note("GetRun", request, context)
        if request.id not in self.p.runs:
            abort(context, status(code_pb2.NOT_FOUND, "RUN_NOT_FOUND", "There is no such run."))
        return self.p.runs[request.id]

    def ListRuns(self, request: run_pb2.ListRunsRequest, context: Context) -> run_pb2.ListRunsResponse:
        self.p.note("ListRuns", request, context)
        page, token = _page(list(self.p.runs.values()), request)
        return run_pb2.ListRunsResponse(runs=page, next_page_token=token)

    def WatchRun(self, request: run_pb2.WatchRunRequest, context: Context) -> Iterator[run_pb2.WatchRunResponse]:
        """Streams the script up to where it breaks off; watching again streams the rest."""
        self.p.note("WatchRun", request, context)
        while self.p.script:
            event = self.p.script.pop(0)
            if event is None:
                return
            if isinstance(event, status_pb2.Status):
                yield run_pb2.WatchRunResponse(error=event)
                return
            event.id = request.id
            yield run_pb2.WatchRunResponse(run=event, done=event.state >= Run.SUCCEEDED)

    def ValidateChecks(self, request: check_pb2.ValidateChecksRequest, context: Context) -> check_pb2.ValidateChecksResponse:
        self.p.note("ValidateChecks", request, context)
        errors = self.p.checks_errors
        checks = [] if errors else [check_pb2.DeclaredCheck(name="row_count > 0", definition="row_count > 0", line=2)]
        return check_pb2.ValidateChecksResponse(valid=not errors, errors=errors, checks=checks)

    def GetSchedule(self, request: schedule_pb2.GetScheduleRequest, context: Context) -> schedule_pb2.Schedule:
        self.p.note("GetSchedule", request, context)
        if request.dataset_id not in self.p.schedules:
            abort(context, status(code_pb2.NOT_FOUND, "SCHEDULE_NOT_FOUND", "The dataset has no schedule."))
        return self.p.schedules[request.dataset_id]

    def SetSchedule(self, request: schedule_pb2.SetScheduleRequest, context: Context) -> schedule_pb2.Schedule:
        self.p.note("SetSchedule", request, context)
        schedule = request.schedule
        schedule.dataset_id, schedule.etag = request.dataset_id, _next_etag(schedule.etag)
        schedule.timezone = schedule.timezone or "UTC"
        self.p.schedules[request.dataset_id] = schedule
        return schedule


def _seal(connection: connection_pb2.Connection) -> None:
    """Keeps no secret, and fills in the defaults as the registry does."""
    if connection.WhichOneof("kind") == "postgres":
        postgres = connection.postgres
        postgres.has_password = postgres.has_password or bool(postgres.password)
        postgres.password, postgres.port, postgres.schema = "", postgres.port or 5432, postgres.schema or "public"
        postgres.sslmode = postgres.sslmode or "require"
        return
    snowflake = connection.snowflake
    snowflake.has_password = snowflake.has_password or bool(snowflake.password)
    snowflake.password, snowflake.protocol = "", snowflake.protocol or "https"


@contextmanager
def serving(platform: Platform) -> Iterator[str]:
    """The address of a gRPC server that answers for the platform."""
    server = grpc.server(futures.ThreadPoolExecutor(4))
    registry_service_pb2_grpc.add_RegistryServiceServicer_to_server(Registry(platform), server)  # type: ignore[abstract]
    quality_service_pb2_grpc.add_QualityServiceServicer_to_server(Quality(platform), server)  # type: ignore[abstract]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()

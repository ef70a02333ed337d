"""Every RPC of the registry with another tenant's ids: NOT_FOUND, and nothing changes.

The cases are held against the service's descriptor: an RPC without a case fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from grpc import StatusCode

from chalkandduster.registry.v1 import api_key_pb2, audit_pb2, connection_pb2, dataset_pb2, health_pb2, registry_service_pb2, tenant_pb2
from tests.integration.registry.harness import Registry, postgres_connection, refused

SERVICE = registry_service_pb2.DESCRIPTOR.services_by_name["RegistryService"]


@dataclass(frozen=True, slots=True)
class Ids:
    """What the other tenant has."""

    tenant: str
    connection: str
    dataset: str
    api_key: str


Case = Callable[[Ids], Message]

# With another tenant's ids each must answer NOT_FOUND.
BY_ID: dict[str, Case] = {
    "GetTenant": lambda ids: tenant_pb2.GetTenantRequest(id=ids.tenant),
    "GetConnection": lambda ids: connection_pb2.GetConnectionRequest(id=ids.connection),
    "UpdateConnection": lambda ids: connection_pb2.UpdateConnectionRequest(
        connection=connection_pb2.Connection(id=ids.connection, description="taken over")
    ),
    "DeleteConnection": lambda ids: connection_pb2.DeleteConnectionRequest(id=ids.connection),
    "TestConnection": lambda ids: connection_pb2.TestConnectionRequest(id=ids.connection),
    "CreateDataset": lambda ids: dataset_pb2.CreateDatasetRequest(
        dataset=dataset_pb2.Dataset(name="thief", connection_id=ids.connection, table="T")
    ),
    "GetDataset": lambda ids: dataset_pb2.GetDatasetRequest(id=ids.dataset),
    "UpdateDataset": lambda ids: dataset_pb2.UpdateDatasetRequest(dataset=dataset_pb2.Dataset(id=ids.dataset, owner="taken over")),
    "DeleteDataset": lambda ids: dataset_pb2.DeleteDatasetRequest(id=ids.dataset),
    "RevokeApiKey": lambda ids: api_key_pb2.RevokeApiKeyRequest(id=ids.api_key),
    "ResolveDataset": lambda ids: dataset_pb2.ResolveDatasetRequest(id=ids.dataset),
    "ResolveConnection": lambda ids: registry_service_pb2.ResolveConnectionRequest(id=ids.connection),
}
# Take no ids: they must show nothing of the other tenant.
LISTS: dict[str, Case] = {
    "ListTenants": lambda ids: tenant_pb2.ListTenantsRequest(),
    "ListConnections": lambda ids: connection_pb2.ListConnectionsRequest(),
    "ListDatasets": lambda ids: dataset_pb2.ListDatasetsRequest(connection_id=ids.connection),
    "ListApiKeys": lambda ids: api_key_pb2.ListApiKeysRequest(),
    "ListAuditEvents": lambda ids: audit_pb2.ListAuditEventsRequest(resource_id=ids.dataset),
}
# Not for callers of a tenant at all.
REFUSED: dict[str, Case] = {
    "CreateTenant": lambda ids: tenant_pb2.CreateTenantRequest(tenant=tenant_pb2.Tenant(name="mine")),
    "UpdateTenant": lambda ids: tenant_pb2.UpdateTenantRequest(tenant=tenant_pb2.Tenant(id=ids.tenant, display_name="taken over")),
    "DeleteTenant": lambda ids: tenant_pb2.DeleteTenantRequest(id=ids.tenant),
    "AuthenticateApiKey": lambda ids: api_key_pb2.AuthenticateApiKeyRequest(key=f"chk_{ids.api_key}_x"),
    "RecordAuditEvents": lambda ids: audit_pb2.RecordAuditEventsRequest(
        events=[audit_pb2.TenantAuditEvent(tenant_id=ids.tenant, event=audit_pb2.AuditEvent(id=ids.tenant, action="forged"))]
    ),
}
# Name nothing of a tenant: they make something of the caller's own, or nothing.
HARMLESS = {"CreateConnection", "CreateApiKey", "GetHealth"}
SERVICES_ONLY = {"ResolveDataset", "ResolveConnection"}


async def other_tenant(registry: Registry) -> Ids:
    tenant_id = await registry.tenant("other")
    admin = registry.as_user("tenant_admin", tenant_id)
    connection = await registry.connection(admin)
    dataset = await registry.dataset(admin, connection.id)
    request = api_key_pb2.CreateApiKeyRequest(api_key=api_key_pb2.ApiKey(name="k", role="viewer"))
    return Ids(tenant_id, connection.id, dataset.id, (await registry.stub.CreateApiKey(request, metadata=admin)).id)


async def everything_of(registry: Registry, tenant_id: str) -> Any:
    tables = ("connections", "datasets", "api_keys", "audit_events", "create_requests")
    found = {table: await registry.rows(f"SELECT * FROM registry.{table} WHERE tenant_id = $1 ORDER BY 1", tenant_id) for table in tables}
    return found | {"tenants": await registry.rows("SELECT * FROM registry.tenants WHERE id = $1", tenant_id)}


def test_every_rpc_has_a_case() -> None:
    assert {method.name for method in SERVICE.methods} == BY_ID.keys() | LISTS.keys() | REFUSED.keys() | HARMLESS


async def test_another_tenants_ids_lead_nowhere(registry: Registry) -> None:
    ids, own = await other_tenant(registry), await registry.tenant("own")
    before = await everything_of(registry, ids.tenant)
    for name, case in BY_ID.items():
        metadata = registry.as_service(own) if name in SERVICES_ONLY else registry.as_user("tenant_admin", own)
        error = await refused(getattr(registry.stub, name)(case(ids), metadata=metadata))
        assert error.code is StatusCode.NOT_FOUND, name
        assert error.reason.endswith("_NOT_FOUND"), name
    assert await everything_of(registry, ids.tenant) == before


async def test_platform_admin_reaches_a_tenants_things_only_in_that_tenant(registry: Registry) -> None:
    ids, own = await other_tenant(registry), await registry.tenant("own")
    before = await everything_of(registry, ids.tenant)
    for name in BY_ID.keys() - SERVICES_ONLY - {"GetTenant"}:
        error = await refused(getattr(registry.stub, name)(BY_ID[name](ids), metadata=registry.as_platform(own)))
        assert error.code is StatusCode.NOT_FOUND, name
    assert await everything_of(registry, ids.tenant) == before


async def test_lists_show_nothing_of_another_tenant(registry: Registry) -> None:
    ids, own = await other_tenant(registry), await registry.tenant("own")
    for name, case in LISTS.items():
        answer = await getattr(registry.stub, name)(case(ids), metadata=registry.as_user("tenant_admin", own))
        assert not any(value in str(answer) for value in (ids.tenant, ids.connection, ids.dataset, ids.api_key)), name


async def test_calls_above_a_tenant_are_refused(registry: Registry) -> None:
    ids, own = await other_tenant(registry), await registry.tenant("own")
    before = await everything_of(registry, ids.tenant)
    for name, case in REFUSED.items():
        error = await refused(getattr(registry.stub, name)(case(ids), metadata=registry.as_user("tenant_admin", own)))
        assert error.code is StatusCode.PERMISSION_DENIED, name
    assert await everything_of(registry, ids.tenant) == before


async def test_tenant_header_of_another_tenant_is_refused(registry: Registry) -> None:
    ids, own = await other_tenant(registry), await registry.tenant("own")
    before = await everything_of(registry, ids.tenant)
    metadata = (*registry.as_user("tenant_admin", own), ("x-tenant-id", ids.tenant))
    for name in (BY_ID | LISTS).keys() - SERVICES_ONLY:
        error = await refused(getattr(registry.stub, name)((BY_ID | LISTS)[name](ids), metadata=metadata))
        assert error.code is StatusCode.PERMISSION_DENIED, name
    assert (await everything_of(registry, ids.tenant))["datasets"] == before["datasets"]


async def test_harmless_calls_stay_in_the_callers_tenant(registry: Registry) -> None:
    ids, own = await other_tenant(registry), await registry.tenant("own")
    before, admin = await everything_of(registry, ids.tenant), registry.as_user("tenant_admin", own)
    request = connection_pb2.CreateConnectionRequest(connection=postgres_connection())
    await registry.stub.CreateConnection(request, metadata=admin)
    key = api_key_pb2.CreateApiKeyRequest(api_key=api_key_pb2.ApiKey(name="k", role="viewer"))
    await registry.stub.CreateApiKey(key, metadata=admin)
    await registry.stub.GetHealth(health_pb2.GetHealthRequest())
    assert await everything_of(registry, ids.tenant) == before

"""Tenants, over gRPC."""

from __future__ import annotations

import asyncio
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode

from chalkandduster.registry.v1 import api_key_pb2, connection_pb2, dataset_pb2, tenant_pb2
from tests.integration.registry.harness import Registry, postgres_connection, refused

SUSPENDED = tenant_pb2.Tenant.SUSPENDED


def create(name: str, request_id: str = "", **fields: Any) -> tenant_pb2.CreateTenantRequest:
    return tenant_pb2.CreateTenantRequest(tenant=tenant_pb2.Tenant(name=name, **fields), request_id=request_id)


async def update(registry: Registry, *paths: str, **fields: Any) -> tenant_pb2.Tenant:
    mask = FieldMask(paths=paths) if paths else None
    request = tenant_pb2.UpdateTenantRequest(tenant=tenant_pb2.Tenant(**fields), update_mask=mask)
    return await registry.stub.UpdateTenant(request, metadata=registry.as_platform())


async def test_new_tenant_is_active_with_the_defaults_left_open(registry: Registry) -> None:
    tenant_id = await registry.tenant("acme", display_name='ACME 🚀 "Ltd"')
    found = await registry.stub.GetTenant(tenant_pb2.GetTenantRequest(id=tenant_id.upper()), metadata=registry.as_platform())
    assert (found.name, found.display_name, found.state, found.etag) == ("acme", 'ACME 🚀 "Ltd"', tenant_pb2.Tenant.ACTIVE, "1")
    assert found.quotas == tenant_pb2.Quotas()


async def test_tenant_without_display_name_shows_its_name(registry: Registry) -> None:
    tenant_id = await registry.tenant("acme")
    changed = await update(registry, id=tenant_id, quotas=tenant_pb2.Quotas(max_datasets=3))
    assert (changed.display_name, changed.quotas.max_datasets, changed.etag) == ("acme", 3, "2")
    rows = await registry.rows("SELECT display_name FROM registry.tenants")
    assert rows == [{"display_name": ""}]


async def test_names_that_are_no_slugs_are_refused(registry: Registry) -> None:
    for name in ("", "Acme", "a" * 64, "a" * 10_000, "-a", "a-", "1a", "acmé", "a🚀", 'a"b', "a b", "a_b"):
        error = await refused(registry.stub.CreateTenant(create(name), metadata=registry.as_platform()))
        assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"), name
        assert "lower-case letters, digits and hyphens" in error.violations[0].description


async def test_taken_name_is_said_with_the_name(registry: Registry) -> None:
    await registry.tenant("acme")
    error = await refused(registry.stub.CreateTenant(create("acme"), metadata=registry.as_platform()))
    assert (error.code, error.reason, error.metadata) == (StatusCode.ALREADY_EXISTS, "NAME_TAKEN", {"name": "acme"})


async def test_repeated_create_answers_the_first(registry: Registry) -> None:
    first = await registry.stub.CreateTenant(create("acme", "r1"), metadata=registry.as_platform())
    again = await registry.stub.CreateTenant(create("acme", "r1"), metadata=registry.as_platform())
    assert again == first
    error = await refused(registry.stub.CreateTenant(create("other", "r1"), metadata=registry.as_platform()))
    assert (error.code, error.reason) == (StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_repeated_creates_at_once_make_one_tenant(registry: Registry) -> None:
    answers = await asyncio.gather(*(registry.stub.CreateTenant(create("acme", "r1"), metadata=registry.as_platform()) for _ in range(8)))
    assert len({answer.id for answer in answers}) == 1
    assert len(await registry.rows("SELECT FROM registry.tenants")) == 1


async def test_of_many_that_race_for_a_name_one_wins(registry: Registry) -> None:
    calls = (registry.stub.CreateTenant(create("acme", f"r{number}"), metadata=registry.as_platform()) for number in range(8))
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, tenant_pb2.Tenant) for answer in answers) == 1
    errors = [await refused(registry.stub.CreateTenant(create("acme"), metadata=registry.as_platform()))]
    assert {error.reason for error in errors} == {"NAME_TAKEN"}


async def test_tenant_callers_see_their_own_tenant_only(registry: Registry) -> None:
    own, other = await registry.tenant("own"), await registry.tenant("other")
    viewer = registry.as_user("viewer", own)
    assert (await registry.stub.GetTenant(tenant_pb2.GetTenantRequest(id=own), metadata=viewer)).name == "own"
    error = await refused(registry.stub.GetTenant(tenant_pb2.GetTenantRequest(id=other), metadata=viewer))
    assert (error.code, error.reason) == (StatusCode.NOT_FOUND, "TENANT_NOT_FOUND")
    listed = await registry.stub.ListTenants(tenant_pb2.ListTenantsRequest(), metadata=viewer)
    assert [tenant.id for tenant in listed.tenants] == [own]
    assert not (await registry.stub.ListTenants(tenant_pb2.ListTenantsRequest(name="other"), metadata=viewer)).tenants
    everything = await registry.stub.ListTenants(tenant_pb2.ListTenantsRequest(), metadata=registry.as_platform())
    assert [tenant.id for tenant in everything.tenants] == [own, other]


async def test_only_platform_admins_make_tenants(registry: Registry) -> None:
    tenant_id = await registry.tenant()
    for metadata in (registry.as_user("tenant_admin", tenant_id), registry.as_service(tenant_id)):
        error = await refused(registry.stub.CreateTenant(create("mine"), metadata=metadata))
        assert (error.code, error.metadata) == (StatusCode.PERMISSION_DENIED, {"permission": "tenants.write"})


async def test_stale_etag_is_refused_and_nothing_changes(registry: Registry) -> None:
    tenant_id = await registry.tenant()
    await update(registry, id=tenant_id, display_name="first", etag="1")
    error = await refused(update(registry, id=tenant_id, display_name="second", etag="1"))
    assert (error.code, error.reason) == (StatusCode.ABORTED, "ETAG_MISMATCH")
    delete = tenant_pb2.DeleteTenantRequest(id=tenant_id, etag="1")
    assert (await refused(registry.stub.DeleteTenant(delete, metadata=registry.as_platform()))).reason == "ETAG_MISMATCH"
    assert (await update(registry, id=tenant_id, display_name="first")).etag == "2"


async def test_masks_empty_what_they_name_and_refuse_what_cannot_change(registry: Registry) -> None:
    tenant_id = await registry.tenant("acme", display_name="A", quotas=tenant_pb2.Quotas(max_datasets=3, max_concurrent_runs=2))
    changed = await update(registry, "display_name", "quotas.max_datasets", id=tenant_id)
    assert (changed.display_name, changed.quotas) == ("acme", tenant_pb2.Quotas(max_concurrent_runs=2))
    for path in ("name", "id", "etag", "create_time", "quotas.nothing", "nothing"):
        error = await refused(update(registry, path, id=tenant_id, name="x"))
        assert (error.code, error.reason, error.metadata) == (StatusCode.INVALID_ARGUMENT, "INVALID_UPDATE_MASK", {"path": path})
    assert (await refused(update(registry, id=tenant_id, name="renamed"))).reason == "INVALID_UPDATE_MASK"


async def test_suspended_tenant_reads_and_changes_nothing(registry: Registry) -> None:
    tenant_id = await registry.tenant()
    admin = registry.as_user("tenant_admin", tenant_id)
    connection = await registry.connection(admin)
    dataset = await registry.dataset(admin, connection.id)
    await update(registry, id=tenant_id, state=SUSPENDED)

    assert (await registry.stub.GetDataset(dataset_pb2.GetDatasetRequest(id=dataset.id), metadata=admin)).name == "customers"
    changes: list[Any] = [
        registry.connection(admin, "second"),
        registry.dataset(admin, connection.id, "second"),
        registry.stub.UpdateConnection(
            connection_pb2.UpdateConnectionRequest(connection=connection_pb2.Connection(id=connection.id, description="x")), metadata=admin
        ),
        registry.stub.UpdateDataset(
            dataset_pb2.UpdateDatasetRequest(dataset=dataset_pb2.Dataset(id=dataset.id, owner="x")), metadata=admin
        ),
        registry.stub.DeleteDataset(dataset_pb2.DeleteDatasetRequest(id=dataset.id), metadata=admin),
        registry.stub.DeleteConnection(connection_pb2.DeleteConnectionRequest(id=connection.id), metadata=admin),
        registry.stub.TestConnection(connection_pb2.TestConnectionRequest(id=connection.id), metadata=admin),
        registry.stub.CreateApiKey(
            api_key_pb2.CreateApiKeyRequest(api_key=api_key_pb2.ApiKey(name="k", role="viewer")), metadata=registry.as_platform(tenant_id)
        ),
    ]
    for change in changes:
        error = await refused(change)
        assert (error.code, error.reason) == (StatusCode.FAILED_PRECONDITION, "TENANT_SUSPENDED")
    await update(registry, id=tenant_id, state=tenant_pb2.Tenant.ACTIVE)
    assert (await registry.connection(admin, "second")).name == "second"


async def test_tenant_in_use_is_not_deleted_and_the_answer_names_the_users(registry: Registry) -> None:
    tenant_id = await registry.tenant()
    admin = registry.as_user("tenant_admin", tenant_id)
    connection = await registry.connection(admin)
    delete = tenant_pb2.DeleteTenantRequest(id=tenant_id)
    error = await refused(registry.stub.DeleteTenant(delete, metadata=registry.as_platform()))
    assert (error.code, error.reason) == (StatusCode.FAILED_PRECONDITION, "RESOURCE_IN_USE")
    await registry.stub.DeleteConnection(connection_pb2.DeleteConnectionRequest(id=connection.id), metadata=admin)
    await registry.stub.DeleteTenant(delete, metadata=registry.as_platform())
    gone = await refused(registry.stub.GetTenant(tenant_pb2.GetTenantRequest(id=tenant_id), metadata=registry.as_platform()))
    assert gone.reason == "TENANT_NOT_FOUND"
    # Tokens outlive their tenant.
    assert (await refused(registry.connection(admin))).reason == "TENANT_NOT_FOUND"


async def test_platform_admin_must_name_a_tenant_for_a_tenants_call(registry: Registry) -> None:
    tenant_id = await registry.tenant()
    request = connection_pb2.CreateConnectionRequest(connection=postgres_connection())
    error = await refused(registry.stub.CreateConnection(request, metadata=registry.as_platform()))
    assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "TENANT_REQUIRED")
    assert (await registry.stub.CreateConnection(request, metadata=registry.as_platform(tenant_id))).name == "wh"


async def test_token_of_a_list_works_for_that_list_only(registry: Registry) -> None:
    for name in ("a", "b", "c"):
        await registry.tenant(name)
    platform = registry.as_platform()
    first = await registry.stub.ListTenants(tenant_pb2.ListTenantsRequest(page_size=2), metadata=platform)
    following = tenant_pb2.ListTenantsRequest(page_size=2, page_token=first.next_page_token)
    rest = await registry.stub.ListTenants(following, metadata=platform)
    assert [tenant.name for tenant in [*first.tenants, *rest.tenants]] == ["a", "b", "c"]
    assert rest.next_page_token == ""
    tenant_id = first.tenants[0].id
    strangers: list[Any] = [
        registry.stub.ListTenants(tenant_pb2.ListTenantsRequest(page_token=first.next_page_token, name="a"), metadata=platform),
        registry.stub.ListConnections(
            connection_pb2.ListConnectionsRequest(page_token=first.next_page_token), metadata=registry.as_platform(tenant_id)
        ),
        registry.stub.ListTenants(tenant_pb2.ListTenantsRequest(page_token="nonsense"), metadata=platform),
    ]
    for call in strangers:
        error = await refused(call)
        assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")

"""Tenants, over gRPC."""

from __future__ import annotations

from chalkandduster.registry.v1 import tenant_pb2
from tests.integration.registry.harness import Registry, refused


async def test_new_tenant_is_active_with_the_defaults_left_open(registry: Registry) -> None:
    tenant_id = await registry.tenant("acme", display_name="ACME 🚀 \"Ltd\"")
    found = await registry.stub.GetTenant(tenant_pb2.GetTenantRequest(id=tenant_id), metadata=registry.as_platform())
    assert (found.name, found.display_name, found.state, found.etag) == ("acme", "ACME 🚀 \"Ltd\"", tenant_pb2.Tenant.ACTIVE, "1")

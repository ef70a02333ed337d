"""The RPCs about tenants."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty

from chalkandduster.registry.v1 import tenant_pb2
from services.registry.app.use_cases import UseCases
from services.registry.rpc.calls import Context, caller, canonical_id, request_key
from services.registry.rpc.codec.tenants import decode_quotas, decode_tenant_change, encode_tenant
from services.registry.rpc.pages import Pages


class TenantMethods:
    """Decode, use case, encode."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases

    async def CreateTenant(self, request: tenant_pb2.CreateTenantRequest, context: Context) -> tenant_pb2.Tenant:  # noqa: N802
        wanted, key = request.tenant, request_key(request.request_id, request.tenant)
        quotas = decode_quotas(wanted.quotas)
        return encode_tenant(await self._use_cases.create_tenant.execute(caller(), wanted.name, wanted.display_name, quotas, key))

    async def GetTenant(self, request: tenant_pb2.GetTenantRequest, context: Context) -> tenant_pb2.Tenant:  # noqa: N802
        return encode_tenant(await self._use_cases.get_tenant.execute(caller(), canonical_id(request.id)))

    async def ListTenants(self, request: tenant_pb2.ListTenantsRequest, context: Context) -> tenant_pb2.ListTenantsResponse:  # noqa: N802
        who = caller()
        pages = Pages("tenants", who, {"name": request.name})
        page = await self._use_cases.list_tenants.execute(who, request.name, pages.wanted(request))
        return tenant_pb2.ListTenantsResponse(
            tenants=[encode_tenant(tenant) for tenant in page.items], next_page_token=pages.next_token(page.last_key)
        )

    async def UpdateTenant(self, request: tenant_pb2.UpdateTenantRequest, context: Context) -> tenant_pb2.Tenant:  # noqa: N802
        change, etag = decode_tenant_change(request), request.tenant.etag
        return encode_tenant(await self._use_cases.update_tenant.execute(caller(), canonical_id(request.tenant.id), change, etag))

    async def DeleteTenant(self, request: tenant_pb2.DeleteTenantRequest, context: Context) -> Empty:  # noqa: N802
        await self._use_cases.delete_tenant.execute(caller(), canonical_id(request.id), request.etag)
        return Empty()

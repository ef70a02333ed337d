"""The RPCs about connections."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty

from chalkandduster.registry.v1 import connection_pb2, registry_service_pb2
from services.registry.app.use_cases import UseCases
from services.registry.domain.tenant import TenantState
from services.registry.rpc.calls import Context, caller, canonical_id, request_key
from services.registry.rpc.codec.connections import (
    decode_connection,
    decode_connection_change,
    encode_connection,
    encode_opened,
    encode_probe,
)
from services.registry.rpc.codec.tenants import encode_quotas
from services.registry.rpc.pages import Pages


class ConnectionMethods:
    """Decode, use case, encode."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases

    async def CreateConnection(  # noqa: N802
        self, request: connection_pb2.CreateConnectionRequest, context: Context
    ) -> connection_pb2.Connection:
        draft, key = decode_connection(request.connection), request_key(request.request_id, request.connection)
        return encode_connection(await self._use_cases.create_connection.execute(caller(), draft, key))

    async def GetConnection(self, request: connection_pb2.GetConnectionRequest, context: Context) -> connection_pb2.Connection:  # noqa: N802
        return encode_connection(await self._use_cases.get_connection.execute(caller(), canonical_id(request.id)))

    async def ListConnections(  # noqa: N802
        self, request: connection_pb2.ListConnectionsRequest, context: Context
    ) -> connection_pb2.ListConnectionsResponse:
        who = caller()
        pages = Pages("connections", who, {"name": request.name})
        page = await self._use_cases.list_connections.execute(who, request.name, pages.wanted(request))
        return connection_pb2.ListConnectionsResponse(
            connections=[encode_connection(connection) for connection in page.items], next_page_token=pages.next_token(page.last_key)
        )

    async def UpdateConnection(  # noqa: N802
        self, request: connection_pb2.UpdateConnectionRequest, context: Context
    ) -> connection_pb2.Connection:
        connection_id, change = canonical_id(request.connection.id), decode_connection_change(request)
        return encode_connection(await self._use_cases.update_connection.execute(caller(), connection_id, change, request.connection.etag))

    async def DeleteConnection(self, request: connection_pb2.DeleteConnectionRequest, context: Context) -> Empty:  # noqa: N802
        await self._use_cases.delete_connection.execute(caller(), canonical_id(request.id), request.etag)
        return Empty()

    async def TestConnection(  # noqa: N802
        self, request: connection_pb2.TestConnectionRequest, context: Context
    ) -> connection_pb2.TestConnectionResponse:
        return encode_probe(await self._use_cases.test_connection.execute(caller(), canonical_id(request.id)))

    async def ResolveConnection(  # noqa: N802
        self, request: registry_service_pb2.ResolveConnectionRequest, context: Context
    ) -> registry_service_pb2.ResolveConnectionResponse:
        resolved = await self._use_cases.resolve_connection.execute(caller(), canonical_id(request.id), request.name)
        return registry_service_pb2.ResolveConnectionResponse(
            connection=encode_opened(resolved.opened),
            quotas=encode_quotas(resolved.tenant.quotas),
            tenant_active=resolved.tenant.state is TenantState.ACTIVE,
        )

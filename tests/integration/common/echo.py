"""A small service with one RPC of each kind, made without a .proto file: what the kit's own tests serve."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool

from chalkandduster.common.v1 import access_pb2
from chalkandduster.registry.v1.tenant_pb2 import GetTenantRequest, Tenant
from services.common.context import current_call
from services.common.server import AddServicer

SERVICE = "chalkandduster.testing.v1.EchoService"
Access = access_pb2.Access

# name: (scope, permission, client streams, server streams)
_METHODS: dict[str, tuple[Access.Scope.ValueType, str, bool, bool]] = {
    "Unary": (Access.TENANT, "tenants.read", False, False),
    "ServerStream": (Access.TENANT, "tenants.read", False, True),
    "ClientStream": (Access.TENANT, "tenants.read", True, False),
    "BidiStream": (Access.TENANT, "tenants.read", True, True),
    "Open": (Access.PUBLIC, "", False, False),
    "Manage": (Access.PLATFORM, "tenants.write", False, False),
    "Look": (Access.PLATFORM, "tenants.read", False, False),
    "Reveal": (Access.TENANT, "credentials.open", False, False),
}
Behaviour = Callable[[GetTenantRequest], Awaitable[Tenant]]


def _register() -> None:
    file = descriptor_pb2.FileDescriptorProto(
        name="chalkandduster/testing/v1/echo.proto",
        package="chalkandduster.testing.v1",
        syntax="proto3",
        dependency=["chalkandduster/common/v1/access.proto", "chalkandduster/registry/v1/tenant.proto"],
    )
    service = file.service.add(name="EchoService")
    for name, (scope, permission, client, server) in _METHODS.items():
        method = service.method.add(name=name, client_streaming=client, server_streaming=server)
        method.input_type = ".chalkandduster.registry.v1.GetTenantRequest"
        method.output_type = ".chalkandduster.registry.v1.Tenant"
        method.options.Extensions[access_pb2.access].CopyFrom(Access(scope=scope, permission=permission))
    bare = file.service.add(name="BareService")
    bare.method.add(name="Forgotten", input_type=service.method[0].input_type, output_type=service.method[0].output_type)
    descriptor_pool.Default().Add(file)


_register()


async def echo(request: GetTenantRequest) -> Tenant:
    """The id, and what the handler knows about its call."""
    call = current_call()
    subject = call.principal.subject if call.principal else ""
    return Tenant(id=request.id, name=call.tenant_id or "", display_name=subject, etag=call.request_id)


def add_echo(behaviour: Behaviour = echo) -> AddServicer:
    """All RPCs do what `behaviour` says to each request message."""
    return functools.partial(_add, behaviour)


def _add(behaviour: Behaviour, server: grpc.aio.Server) -> None:
    async def unary(request: GetTenantRequest, context: Any) -> Tenant:
        return await behaviour(request)

    async def server_stream(request: GetTenantRequest, context: Any) -> AsyncIterator[Tenant]:
        yield Tenant(id="first")
        yield await behaviour(request)

    async def client_stream(requests: AsyncIterator[GetTenantRequest], context: Any) -> Tenant:
        answers = [await behaviour(request) async for request in requests]
        return answers[-1]

    async def bidi_stream(requests: AsyncIterator[GetTenantRequest], context: Any) -> AsyncIterator[Tenant]:
        async for request in requests:
            yield await behaviour(request)

    shapes: dict[tuple[bool, bool], tuple[Any, Any]] = {
        (False, False): (grpc.unary_unary_rpc_method_handler, unary),
        (False, True): (grpc.unary_stream_rpc_method_handler, server_stream),
        (True, False): (grpc.stream_unary_rpc_method_handler, client_stream),
        (True, True): (grpc.stream_stream_rpc_method_handler, bidi_stream),
    }
    handlers = {}
    for name, (_, _, client, streams) in _METHODS.items():
        make, handler = shapes[client, streams]
        handlers[name] = make(handler, request_deserializer=GetTenantRequest.FromString, response_serializer=Tenant.SerializeToString)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


class EchoStub:
    """The client's side, one attribute an RPC."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        makers = {(False, False): channel.unary_unary, (False, True): channel.unary_stream}
        makers |= {(True, False): channel.stream_unary, (True, True): channel.stream_stream}
        for name, (_, _, client, streams) in _METHODS.items():
            method: Any = makers[client, streams]
            call = method(
                f"/{SERVICE}/{name}", request_serializer=GetTenantRequest.SerializeToString, response_deserializer=Tenant.FromString
            )
            setattr(self, name, call)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


async def sleep_and_echo(request: GetTenantRequest) -> Tenant:
    """A call of a tenth of a second."""
    await asyncio.sleep(0.1)
    return await echo(request)

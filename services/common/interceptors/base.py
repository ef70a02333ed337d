"""One shape for interceptors: a context manager around the call, and a look at each request message.

gRPC has four kinds of RPC, and asyncio two kinds of streaming handler (an async generator, or a coroutine that writes to the
context, as the stock health `Watch`). They are told apart here and nowhere else.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message

Decoder = Callable[[bytes], Any]
Handler = Callable[[Any, grpc.aio.ServicerContext[Any, Any]], Any]


@dataclass(frozen=True, slots=True)
class Rpc:
    """One call, as an interceptor sees it."""

    method: str
    """Full name, for example `/chalkandduster.registry.v1.RegistryService/GetDataset`."""
    context: grpc.aio.ServicerContext[Any, Any]

    def metadata(self, name: str) -> list[str]:
        """The values of a text header, oldest first; `name` in lower case."""
        return [str(value) for key, value in self.context.invocation_metadata() or () if key == name]


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Override what is needed: `around` the call, `check` of a request, `check_response`, or the `decoder` of requests."""

    def around(self, rpc: Rpc) -> AbstractAsyncContextManager[None]:
        """Runs around the call, from before its first request message is read until after its last response."""
        return nullcontext()

    def check(self, request: Message) -> None:
        """Sees each request message before the handler does; may raise."""

    def check_response(self, response: object) -> None:
        """Sees each response before gRPC encodes it; may raise."""

    def decoder(self, inner: Decoder) -> Decoder:
        """What turns bytes into a request message. gRPC tells the caller all about an error in it, so it must not raise."""
        return inner

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler with this interceptor around it; None stays None (an unknown method, which gRPC answers itself)."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        return _wrapped(handler, str(handler_call_details.method), self)


def _wrapped(handler: Any, method: str, interceptor: CallInterceptor) -> grpc.RpcMethodHandler[Any, Any]:
    codec = {"request_deserializer": interceptor.decoder(handler.request_deserializer), "response_serializer": handler.response_serializer}
    if handler.unary_unary:
        return grpc.unary_unary_rpc_method_handler(_unary(handler.unary_unary, method, interceptor), **codec)
    if handler.unary_stream:
        return grpc.unary_stream_rpc_method_handler(_stream(handler.unary_stream, method, interceptor, _checked), **codec)
    if handler.stream_unary:
        return grpc.stream_unary_rpc_method_handler(_stream_unary(handler.stream_unary, method, interceptor), **codec)
    return grpc.stream_stream_rpc_method_handler(_stream(handler.stream_stream, method, interceptor, _each_checked), **codec)


def _unary(inner: Handler, method: str, interceptor: CallInterceptor) -> Handler:
    async def call(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        async with interceptor.around(Rpc(method, context)):
            interceptor.check(request)
            response = await inner(request, context)
            interceptor.check_response(response)
            return response

    return call


def _stream_unary(inner: Handler, method: str, interceptor: CallInterceptor) -> Handler:
    async def call(requests: AsyncIterator[Message], context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        async with interceptor.around(Rpc(method, context)):
            response = await inner(_each_checked(requests, interceptor), context)
            interceptor.check_response(response)
            return response

    return call


def _stream(inner: Handler, method: str, interceptor: CallInterceptor, check: Callable[[Any, CallInterceptor], Any]) -> Handler:
    async def generate(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        async with interceptor.around(Rpc(method, context)):
            async for response in inner(check(request, interceptor), context):
                interceptor.check_response(response)
                yield response

    async def write(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        async with interceptor.around(Rpc(method, context)):
            await inner(check(request, interceptor), context)

    return generate if inspect.isasyncgenfunction(inner) else write


def _checked(request: Message, interceptor: CallInterceptor) -> Message:
    interceptor.check(request)
    return request


async def _each_checked(requests: AsyncIterator[Message], interceptor: CallInterceptor) -> AsyncIterator[Message]:
    async for request in requests:
        interceptor.check(request)
        yield request

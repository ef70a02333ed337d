"""The channel of the client: address, TLS, credentials, deadlines, retries and errors."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import grpc

from chalkandduster.client.errors import ApiError

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")

# Testing a connection and previewing checks wait for a warehouse; their servers give up after 60 s.
_SLOW_METHODS = ("/TestConnection", "/PreviewChecks")
_SLOW_TIMEOUT_S = 70.0
# A stream lasts as long as what it watches.
_UNLIMITED_METHODS = ("/WatchRun",)

_REGISTRY, _QUALITY = "chalkandduster.registry.v1.RegistryService", "chalkandduster.quality.v1.QualityService"
_SAFE_TO_REPEAT = {
    _REGISTRY: (
        "GetTenant",
        "ListTenants",
        "GetConnection",
        "ListConnections",
        "GetDataset",
        "ListDatasets",
        "ListApiKeys",
        "ListAuditEvents",
    ),
    _QUALITY: ("GetRun", "ListRuns", "ListFailedRows", "GetSchedule", "ValidateChecks"),
}
# Reads only: a change that was cut off may have happened.
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{"service": service, "method": method} for service, methods in _SAFE_TO_REPEAT.items() for method in methods],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


def open_channel(address: str, metadata: tuple[tuple[str, str], ...], timeout_s: float) -> grpc.Channel:
    """A channel to `address` whose calls carry `metadata`, end after `timeout_s` seconds by default and raise `ApiError`.

    Raises ValueError if the address is not `http://host[:port]`, `https://host[:port]` or `host:port`.
    """
    target, loopback, secure = parse_address(address)
    options: list[tuple[str, Any]] = [
        ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
        # A run of a dataset with hundreds of checks, SQL included, is larger than the default of 4 MiB.
        ("grpc.max_receive_message_length", 32 * 1024 * 1024),
        # A proxy is set up for the way out of the machine, never for the way to itself.
        ("grpc.enable_http_proxy", 0 if loopback else 1),
    ]
    credentials = grpc.ssl_channel_credentials() if secure else None
    channel = grpc.secure_channel(target, credentials, options) if credentials else grpc.insecure_channel(target, options)
    return grpc.intercept_channel(channel, _Defaults(metadata, timeout_s))


def parse_address(address: str) -> tuple[str, bool, bool]:
    """The `host:port` of an address, whether it is this machine, and whether TLS is used.

    Without a scheme TLS is used, but not for this machine. Raises ValueError for anything else than scheme, host and port.
    """
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        port = parts.port
    except ValueError:
        port = -1
    clean = parts.path in ("", "/") and not parts.query and not parts.fragment and parts.username is None
    if parts.scheme not in ("", "http", "https") or not parts.hostname or port == -1 or not clean:
        raise ValueError(f"{address!r} is not an address: expected http://host:port, https://host:port or host:port")
    loopback = is_loopback(parts.hostname)
    secure = parts.scheme == "https" or (not parts.scheme and not loopback)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{port or (443 if secure else 80)}", loopback, secure


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class _Defaults(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Adds what every call carries, and turns failures into `ApiError`."""

    def __init__(self, metadata: tuple[tuple[str, str], ...], timeout_s: float) -> None:
        self._metadata = metadata
        self._timeout_s = timeout_s

    def intercept_unary_unary(self, continuation: Callable[..., Any], client_call_details: Any, request: _Request) -> Any:
        call = continuation(self._completed(client_call_details), request)
        error = call.exception()
        if isinstance(error, grpc.RpcError):
            raise ApiError.from_call(error) from None
        return call

    def intercept_unary_stream(self, continuation: Callable[..., Any], client_call_details: Any, request: _Request) -> Any:
        return _Stream(continuation(self._completed(client_call_details), request))

    def _completed(self, details: Any) -> _Details:
        timeout = details.timeout
        if timeout is None and not details.method.endswith(_UNLIMITED_METHODS):
            timeout = max(_SLOW_TIMEOUT_S, self._timeout_s) if details.method.endswith(_SLOW_METHODS) else self._timeout_s
        metadata = (*(details.metadata or ()), *self._metadata)
        return _Details(details.method, timeout, metadata, details.credentials, details.wait_for_ready, details.compression)


class _Stream(Iterator[_Response]):
    """The messages of a streaming call; a failure raises `ApiError`."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __next__(self) -> _Response:
        try:
            message: _Response = next(self._call)
        except grpc.RpcError as error:
            raise ApiError.from_call(error) from None
        return message

    def cancel(self) -> bool:
        """Ends the stream; False if it has ended."""
        return bool(self._call.cancel())

"""Calls to other services: token, deadline, ids, and errors in our words."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

import grpc
from google.rpc import error_details_pb2, status_pb2
from opentelemetry import trace

from services.common.auth.tokens import ServiceTokenSigner
from services.common.context import CallContext, call_or_none
from services.common.errors import DependencyUnavailable, DomainError, FieldViolation
from services.common.ids import new_id
from services.common.interceptors.authentication import AUTHORIZATION_HEADER
from services.common.interceptors.request_id import REQUEST_ID_HEADER, TRACE_HEADER

_log = logging.getLogger(__name__)

Request = TypeVar("Request")
Response = TypeVar("Response")

DEFAULT_TIMEOUT_SECONDS = 5.0
# Left over of the caller's deadline for what we do with the answer, or with there being none.
_MARGIN_SECONDS = 0.05

# All calls between services are safe to repeat: reads, or writes with ids that the sender gives.
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    # Only servers that say SERVING get calls, so one that drains loses none.
    "healthCheckConfig": {"serviceName": ""},
    "loadBalancingConfig": [{"round_robin": {}}],
}
_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


@dataclass(frozen=True, slots=True)
class RemoteError:
    """What another service answered instead of a result."""

    code: grpc.StatusCode
    reason: str
    """Name of a value of `ErrorReason`; empty when the answer is not one of ours."""
    message: str
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    violations: tuple[FieldViolation, ...] = ()


ErrorTable = Mapping[str, Callable[[RemoteError], DomainError]]
"""By reason: the error that a caller of ours understands, for example `{"DATASET_NOT_FOUND": lambda e: DatasetNotFound()}`."""


def open_channel(address: str) -> grpc.aio.Channel:
    """A channel to `host:port` or `dns:///name:port`, made inside the running loop; it connects by itself, again and again."""
    return grpc.aio.insecure_channel(address, options=_OPTIONS)


class ServiceClient:
    """Calls one other service on a channel. Stubs are made by the caller: `RegistryServiceStub(client.channel)`."""

    def __init__(self, service: str, channel: grpc.aio.Channel, signer: ServiceTokenSigner) -> None:
        """`service` is the other one's name, for errors and logs."""
        self._service = service
        self._signer = signer
        self.channel = channel

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        tenant_id: str | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        errors: ErrorTable = MappingProxyType({}),
    ) -> Response:
        """The answer. Acts in `tenant_id`, waits no longer than `timeout_seconds` or what is left of our own caller's deadline.

        Raises what `errors` has for the reason of the answer, and DependencyUnavailable for everything else: what the other
        service thinks of us is nothing that our caller can act on.
        """
        call = call_or_none()
        try:
            return await method(request, timeout=_limit(call, timeout_seconds), metadata=self._metadata(call, tenant_id))
        except grpc.aio.AioRpcError as error:
            raise self._translated(error, errors) from error

    def _metadata(self, call: CallContext | None, tenant_id: str | None) -> tuple[tuple[str, str], ...]:
        return (
            (AUTHORIZATION_HEADER, f"Bearer {self._signer.token(tenant_id)}"),
            (REQUEST_ID_HEADER, call.request_id if call is not None else new_id()),
            (TRACE_HEADER, _trace_parent(call)),
        )

    def _translated(self, error: grpc.aio.AioRpcError, errors: ErrorTable) -> DomainError:
        remote = remote_error(error)
        known = errors.get(remote.reason)
        if known is not None:
            return known(remote)
        _log.warning(
            "A call to another service failed.",
            extra={"service_called": self._service, "code": remote.code.name, "reason": remote.reason, "detail": remote.message},
        )
        return DependencyUnavailable(service=self._service)


def _trace_parent(call: CallContext | None) -> str:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        return f"00-{trace.format_trace_id(span.trace_id)}-{trace.format_span_id(span.span_id)}-{span.trace_flags:02x}"
    # No traces here: the id still ties the log lines of the services together, and the other one may trace.
    trace_id = call.trace_id if call is not None and call.trace_id else secrets.token_hex(16)
    return f"00-{trace_id}-{secrets.token_hex(8)}-01"


def _limit(call: CallContext | None, timeout_seconds: float) -> float:
    remaining = call.remaining_seconds() if call is not None else None
    if remaining is None:
        return timeout_seconds
    return min(timeout_seconds, max(0.0, remaining - _MARGIN_SECONDS))


def remote_error(error: grpc.aio.AioRpcError) -> RemoteError:
    """What the status of a failed call says, its details read."""
    status = _status(error)
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(bad)
    violations = tuple(FieldViolation(one.field, one.description, one.reason) for one in bad.field_violations)
    return RemoteError(error.code(), info.reason, error.details() or "", dict(info.metadata), violations)


def _status(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin" and isinstance(value, bytes):
            return status_pb2.Status.FromString(value)
    return status_pb2.Status()

"""The error catalogue: the one place where an error of ours becomes a `google.rpc.Status`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from services.common import errors

_log = logging.getLogger(__name__)

ERROR_DOMAIN = "chalkandduster"
# What a caller may wait before it tries again: the pool and the channels have reconnected by then.
_RETRY_SECONDS = 1
_MAX_VIOLATIONS = 100
_MAX_TEXT = 2_000
"""Characters of one text in an error. Details travel in HTTP/2 trailers, which peers refuse above 8 to 16 KiB."""
_MAX_DETAIL_BYTES = 5_000
"""Trailers are base64 on the wire and share the 8 KiB that peers accept by default with everything else."""


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """How an error is told to a caller."""

    code: grpc.StatusCode
    reason: str
    """Name of a value of `ErrorReason` in error_reason.proto."""


ErrorCatalog = Mapping[type[errors.DomainError], ErrorSpec]

COMMON_CATALOG: ErrorCatalog = MappingProxyType(
    {
        errors.InvalidRequest: ErrorSpec(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        errors.InvalidPageToken: ErrorSpec(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN"),
        errors.InvalidUpdateMask: ErrorSpec(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_UPDATE_MASK"),
        errors.EgressDenied: ErrorSpec(grpc.StatusCode.INVALID_ARGUMENT, "EGRESS_DENIED"),
        errors.HostNotFound: ErrorSpec(grpc.StatusCode.INVALID_ARGUMENT, "EGRESS_DENIED"),
        errors.Unauthenticated: ErrorSpec(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
        errors.PermissionDenied: ErrorSpec(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"),
        errors.TenantRequired: ErrorSpec(grpc.StatusCode.INVALID_ARGUMENT, "TENANT_REQUIRED"),
        errors.NameTaken: ErrorSpec(grpc.StatusCode.ALREADY_EXISTS, "NAME_TAKEN"),
        errors.RequestIdReused: ErrorSpec(grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
        errors.EtagMismatch: ErrorSpec(grpc.StatusCode.ABORTED, "ETAG_MISMATCH"),
        errors.ResourceInUse: ErrorSpec(grpc.StatusCode.FAILED_PRECONDITION, "RESOURCE_IN_USE"),
        errors.QuotaExceeded: ErrorSpec(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED"),
        errors.DependencyUnavailable: ErrorSpec(grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"),
    }
)


def to_status(error: BaseException, catalog: ErrorCatalog, *, request_id: str = "") -> status_pb2.Status:
    """The status that the caller gets: `ErrorInfo` always, and what else its kind has to say.

    An error that the catalogue does not know is logged with its traceback, and the caller learns nothing but the request id.
    """
    found = _domain_error(error)
    spec = None if found is None else _spec(type(found), catalog)
    if found is None or spec is None:
        _log.error("Unforeseen error in a call.", exc_info=error, extra={"error": type(error).__name__})
        return _internal(request_id)
    status = status_pb2.Status(code=_number(spec.code), message=found.message[:_MAX_TEXT])
    info = error_details_pb2.ErrorInfo(reason=spec.reason, domain=ERROR_DOMAIN)
    info.metadata.update({name: str(value)[:_MAX_TEXT] for name, value in found.metadata.items()})
    _pack(status, info)
    for detail in _details(found, spec):
        _pack(status, detail)
    return status


def _domain_error(error: BaseException) -> errors.DomainError | None:
    """The error itself, or the one inside a group that a task group made of it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, errors.DomainError) else None


def _spec(kind: type[errors.DomainError], catalog: ErrorCatalog) -> ErrorSpec | None:
    return next((catalog[base] for base in kind.__mro__ if base in catalog), None)


def _internal(request_id: str) -> status_pb2.Status:
    status = status_pb2.Status(code=_number(grpc.StatusCode.INTERNAL), message=f"internal error; request id {request_id}")
    _pack(status, error_details_pb2.ErrorInfo(reason="INTERNAL", domain=ERROR_DOMAIN, metadata={"request_id": request_id}))
    return status


def _details(error: errors.DomainError, spec: ErrorSpec) -> Iterator[Message]:
    if isinstance(error, errors.InvalidRequest) and error.violations:
        yield _bad_request(error)
    if isinstance(error, errors.ResourceInUse) and error.users:
        yield _precondition(error, spec)
    if spec.code is grpc.StatusCode.UNAVAILABLE:
        yield error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=_RETRY_SECONDS))


def _bad_request(error: errors.InvalidRequest) -> error_details_pb2.BadRequest:
    detail = error_details_pb2.BadRequest()
    for violation in error.violations[:_MAX_VIOLATIONS]:
        one = error_details_pb2.BadRequest.FieldViolation(
            field=violation.field[:_MAX_TEXT], description=violation.description[:_MAX_TEXT], reason=violation.reason
        )
        if detail.ByteSize() + one.ByteSize() > _MAX_DETAIL_BYTES:
            break
        detail.field_violations.append(one)
    return detail


def _precondition(error: errors.ResourceInUse, spec: ErrorSpec) -> error_details_pb2.PreconditionFailure:
    detail = error_details_pb2.PreconditionFailure()
    for user in error.users[:_MAX_VIOLATIONS]:
        one = error_details_pb2.PreconditionFailure.Violation(
            type=spec.reason, subject=f"{user.kind}/{user.id}", description=f"used by {user.kind} {user.name or user.id}"
        )
        if detail.ByteSize() + one.ByteSize() > _MAX_DETAIL_BYTES:
            break
        detail.violations.append(one)
    return detail


def _pack(status: status_pb2.Status, detail: Message) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)


def _number(code: grpc.StatusCode) -> int:
    number: int = code.value[0]
    return number

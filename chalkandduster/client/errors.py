"""What a failed call raises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with a request, or one thing that stands in its way."""

    field: str
    """Path of the field, for example `connection.snowflake.host`; or the resource that stands in the way."""
    description: str


@dataclass(eq=False)  # not frozen: contextlib sets the traceback of what it re-raises
class ApiError(Exception):
    """A call that the platform, or the way to it, refused."""

    code: grpc.StatusCode
    reason: str
    """Name of `chalkandduster.common.v1.ErrorReason`; empty when the answer did not come from a service."""
    message: str
    """One sentence for people."""
    violations: tuple[Violation, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        listed = "".join(f"\n  {violation.field}: {violation.description}" for violation in self.violations)
        return self.message + listed

    @classmethod
    def from_call(cls, error: grpc.RpcError) -> ApiError:
        """The error of a failed call, with all that its status details tell."""
        if not isinstance(error, grpc.Call):
            return cls(grpc.StatusCode.UNKNOWN, "", str(error) or "the call failed")
        status = _details(error)
        if status is not None:
            return cls.from_status(status)
        return cls(error.code(), "", error.details() or error.code().name)

    @classmethod
    def from_status(cls, status: status_pb2.Status) -> ApiError:
        """The error that a `google.rpc.Status` describes."""
        info, bad_request, precondition = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.BadRequest(),
            error_details_pb2.PreconditionFailure(),
        )
        for detail in status.details:
            # Unpack leaves the message alone when the detail is of another type.
            for known in (info, bad_request, precondition):
                detail.Unpack(known)
        violations = [Violation(each.field, each.description) for each in bad_request.field_violations]
        violations += [Violation(each.subject, each.description) for each in precondition.violations]
        code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
        return cls(code, info.reason, status.message or code.name, tuple(violations), dict(info.metadata))


def _details(error: grpc.Call) -> status_pb2.Status | None:
    try:
        status: status_pb2.Status | None = rpc_status.from_call(error)
    except ValueError:  # the details contradict the status, as a proxy that rewrites one of them makes them
        return None
    return status

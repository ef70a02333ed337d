"""Audit events between the domain and protobuf."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, SerializeToJsonError
from google.protobuf.struct_pb2 import Struct

from chalkandduster.registry.v1 import audit_pb2
from services.common.audit import AuditEvent, Outcome
from services.common.clock import now
from services.common.errors import FieldViolation, InvalidRequest
from services.common.ids import parse_uuid
from services.registry.domain.audit import AuditFilter
from services.registry.rpc.calls import canonical_id
from services.registry.rpc.codec.times import from_timestamp, to_timestamp


def encode_audit_event(event: AuditEvent) -> audit_pb2.AuditEvent:
    """The event as callers see it."""
    message = audit_pb2.AuditEvent(
        id=event.id,
        create_time=to_timestamp(event.create_time),
        actor=event.actor,
        action=event.action,
        resource_type=event.resource_type,
        resource_id=event.resource_id,
        outcome=audit_pb2.AuditEvent.Outcome.Value(event.outcome),
        remote_address=event.remote_address,
        request_id=event.request_id,
    )
    for field, fields in ((message.before, event.before), (message.after, event.after)):
        if fields is not None:
            field.CopyFrom(ParseDict(dict(fields), Struct()))
    return message


def decode_audit_filter(request: audit_pb2.ListAuditEventsRequest) -> AuditFilter:
    """Which events the request asks for. Raises InvalidRequest for an impossible time."""
    return AuditFilter(
        actor=request.actor,
        action=request.action,
        resource_id=request.resource_id,
        outcome=_outcome(request.outcome),
        from_time=from_timestamp(request, "from_time", "from_time"),
        to_time=from_timestamp(request, "to_time", "to_time"),
    )


def decode_recorded_event(message: audit_pb2.TenantAuditEvent, index: int) -> AuditEvent:
    """An event of another service. Raises InvalidRequest naming what is wrong with it."""
    event, path = message.event, f"events[{index}].event"
    event_id, outcome = parse_uuid(event.id), _outcome(event.outcome)
    if event_id is None:
        raise InvalidRequest([FieldViolation(f"{path}.id", "must be a UUID")])
    if outcome is None:
        raise InvalidRequest([FieldViolation(f"{path}.outcome", "must be ALLOWED or DENIED")])
    return AuditEvent(
        id=event_id,
        tenant_id=canonical_id(message.tenant_id) or None,
        create_time=from_timestamp(event, "create_time", f"{path}.create_time") or now(),
        actor=event.actor,
        action=event.action,
        resource_type=event.resource_type,
        resource_id=event.resource_id,
        outcome=outcome,
        remote_address=event.remote_address,
        request_id=event.request_id,
        before=_fields(event, "before", path),
        after=_fields(event, "after", path),
    )


def _outcome(value: int) -> Outcome | None:
    return Outcome(audit_pb2.AuditEvent.Outcome.Name(audit_pb2.AuditEvent.Outcome.ValueType(value))) if value else None


def _fields(event: audit_pb2.AuditEvent, name: str, path: str) -> dict[str, Any] | None:
    if not event.HasField(name):  # type: ignore[arg-type]  # the stubs know the two literals only
        return None
    try:
        fields: dict[str, Any] = MessageToDict(getattr(event, name))
    except (ValueError, SerializeToJsonError) as error:
        raise InvalidRequest([FieldViolation(f"{path}.{name}", "must hold finite numbers only")]) from error
    return fields

"""What the protos say about the fields that a manifest may set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from google.api import field_behavior_pb2
from google.protobuf.message import Message

if TYPE_CHECKING:
    from google._upb import _message
    from google.protobuf import descriptor

    Field: TypeAlias = descriptor.FieldDescriptor | _message.FieldDescriptor

# These find the resource, guard a change of it, or refer to another resource by its id: manifests use names.
_NOT_IN_SPEC = frozenset({"id", "etag", "request_id", "name", "connection_id", "dataset_id"})


def spec_fields(message: Message) -> dict[str, Field]:
    """The fields that a caller sets, by name."""
    return {
        field.name: field
        for field in message.DESCRIPTOR.fields
        if field.name not in _NOT_IN_SPEC and not _behaves(field, field_behavior_pb2.OUTPUT_ONLY)
    }


def is_secret(field: Field) -> bool:
    """Whether the value goes in and never comes out."""
    return _behaves(field, field_behavior_pb2.INPUT_ONLY)


def is_message(field: Field) -> bool:
    """Whether the field is one message with fields of its own."""
    return field.message_type is not None and not field.is_repeated


def enum_values(field: Field) -> dict[str, int]:
    """The values of an enum field by their names, without the zero value."""
    return {value.name: value.number for value in field.enum_type.values if value.number} if field.enum_type else {}


def _behaves(field: Field, behaviour: int) -> bool:
    behaviours: Any = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return behaviour in behaviours

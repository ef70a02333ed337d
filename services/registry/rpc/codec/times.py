"""Times between Python and protobuf."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.common.errors import FieldViolation, InvalidRequest


def to_timestamp(time: datetime | None) -> Timestamp | None:
    """The time for a protobuf field; None leaves the field unset."""
    return None if time is None else timestamp_of(time)


def timestamp_of(time: datetime) -> Timestamp:
    """The time for a protobuf field."""
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp


def from_timestamp(message: Message, field: str, path: str) -> datetime | None:
    """The time in a field of `message`; None when it is unset. Raises InvalidRequest naming `path` for an impossible one."""
    if not message.HasField(field):
        return None
    timestamp: Timestamp = getattr(message, field)
    try:
        return timestamp.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest([FieldViolation(path, "must be a time between the years 1 and 9999")]) from error

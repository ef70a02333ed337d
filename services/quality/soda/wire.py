"""Domain values to plain JSON and back, by their type annotations. Unknown fields and wrong types are refused."""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import types
import typing
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from services.quality.domain.connection import PostgresConnection, SnowflakeConnection

T = TypeVar("T")
_KINDS: dict[str, type] = {"snowflake": SnowflakeConnection, "postgres": PostgresConnection}
_NAMES = {kind: name for name, kind in _KINDS.items()}


class WireError(ValueError):
    """A message that does not have the shape it should have."""


def encode(value: Any) -> Any:
    """Plain JSON of a domain value. Connections carry their kind."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {part.name: encode(getattr(value, part.name)) for part in dataclasses.fields(value)}
        return {"kind": _NAMES[type(value)], **fields} if type(value) in _NAMES else fields
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, collections.abc.Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    return [encode(item) for item in value] if isinstance(value, (list, tuple)) else value


def decode(kind: type[T], value: Any) -> T:
    """A domain value from its JSON. Raises WireError."""
    return typing.cast(T, _decode(kind, value))


def _decode(kind: Any, value: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return _decode_union(typing.get_args(kind), value)
    if origin is not None:
        return _decode_generic(origin, typing.get_args(kind), value)
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _checked(kind, value)
    if kind is datetime:
        return _checked(datetime.fromisoformat, value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise WireError(f"expected {kind.__name__}, found {type(value).__name__}")
    return value


def _checked(make: typing.Callable[[Any], Any], value: Any) -> Any:
    try:
        return make(value)
    except (TypeError, ValueError) as error:
        raise WireError(str(error)) from None


def _decode_union(choices: tuple[Any, ...], value: Any) -> Any:
    if value is None and types.NoneType in choices:
        return None
    rest = [choice for choice in choices if choice is not types.NoneType]
    if len(rest) == 1:
        return _decode(rest[0], value)
    kind = _KINDS.get(str(value.get("kind"))) if isinstance(value, dict) else None
    if kind is None or kind not in rest:
        raise WireError("unknown kind of connection")
    return _decode_dataclass(kind, {name: item for name, item in value.items() if name != "kind"})


def _decode_generic(origin: Any, arguments: tuple[Any, ...], value: Any) -> Any:
    if origin is tuple or origin is collections.abc.Sequence:
        if not isinstance(value, list):
            raise WireError("expected a list")
        return tuple(_decode(arguments[0], item) for item in value)
    if not isinstance(value, dict):
        raise WireError("expected an object")
    return {key: _decode(arguments[1], item) for key, item in value.items()}


def _decode_dataclass(kind: Any, value: Any) -> Any:
    hints = _hints(kind)
    if not isinstance(value, dict) or not value.keys() <= hints.keys():
        raise WireError(f"not a {kind.__name__}")
    try:
        return kind(**{name: _decode(hints[name], item) for name, item in value.items()})
    except TypeError as error:
        raise WireError(str(error)) from None


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    names = {part.name for part in dataclasses.fields(kind)}
    return {name: hint for name, hint in typing.get_type_hints(kind).items() if name in names}

"""Update masks (AIP-134, AIP-161): which fields of a patch a caller means.

Absent mask: every field that is set in the patch. A mask names fields, also inside messages (`quotas.max_datasets`); a named
field that the patch leaves unset is emptied. `*` means every field that can be changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from google.api import field_behavior_pb2
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from services.common.errors import InvalidUpdateMask

if TYPE_CHECKING:
    from google._upb import _message
    from google.protobuf import descriptor

    Descriptor: TypeAlias = descriptor.Descriptor | _message.Descriptor
    FieldDescriptor: TypeAlias = descriptor.FieldDescriptor | _message.FieldDescriptor

M = TypeVar("M", bound=Message)

# Not changed but used otherwise: `id` finds the resource, `etag` guards it, `request_id` made it.
_KEYS = frozenset({"id", "etag", "request_id"})


def resolve_paths(patch: Message, mask: FieldMask | None, allowed: Collection[str]) -> tuple[str, ...]:
    """The fields to change, without doubles and without a field inside one that is named as a whole.

    `allowed` are the paths that can be changed; with one, all inside it. Raises InvalidUpdateMask, naming the path, for one
    that does not exist or cannot be changed. In a patch without mask, fields that only the server sets are passed over, for a
    caller may send back what it read; any other field that cannot be changed is refused.
    """
    named = list(mask.paths) if mask is not None else []
    if named == ["*"]:
        named = sorted(allowed)
    paths = named or [path for path in _set_paths(patch) if path.partition(".")[0] not in _KEYS and not _is_output(patch.DESCRIPTOR, path)]
    for path in paths:
        if not _is_allowed(path, allowed) or not _exists(patch.DESCRIPTOR, path):
            raise InvalidUpdateMask(path, sorted(allowed))
    whole = sorted(set(paths))
    return tuple(path for path in whole if not any(path.startswith(f"{other}.") for other in whole))


def apply_update(current: M, patch: M, mask: FieldMask | None, allowed: Collection[str]) -> M:
    """A copy of `current` with the fields that `mask` (as in `resolve_paths`) names taken from `patch`.

    In a patch without mask, a field that cannot be changed may be there when it says what `current` says.
    """
    masked = mask is not None and bool(mask.paths)
    unchanged = [] if masked else [path for path in _set_paths(patch) if _read(patch, path) == _read(current, path)]
    paths = resolve_paths(_without(patch, unchanged), mask, allowed)
    merged = type(current)()
    merged.CopyFrom(current)
    for path in paths:
        _copy(merged, patch, path.split("."))
    return merged


def _set_paths(message: Message, prefix: str = "") -> Iterator[str]:
    """The leaves that are set; a message that is there but empty is a leaf itself."""
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        if _is_container(field) and value.ListFields():
            yield from _set_paths(value, f"{path}.")
        else:
            yield path


def _is_container(field: FieldDescriptor) -> bool:
    """Whether the field is one message of ours, whose fields can be changed one by one."""
    if field.is_repeated or field.message_type is None:
        return False
    return not field.message_type.full_name.startswith("google.protobuf.")


def _walk(descriptor: Descriptor, path: str) -> Iterable[FieldDescriptor | None]:
    """The fields along the path; None where it leaves the message."""
    within: Descriptor | None = descriptor
    for name in path.split("."):
        field = within.fields_by_name.get(name) if within is not None else None
        yield field
        if field is None:
            return
        within = field.message_type if _is_container(field) else None


def _exists(descriptor: Descriptor, path: str) -> bool:
    return all(field is not None for field in _walk(descriptor, path))


def _is_output(descriptor: Descriptor, path: str) -> bool:
    return any(
        field is not None and field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
        for field in _walk(descriptor, path)
    )


def _is_allowed(path: str, allowed: Collection[str]) -> bool:
    return any(path == other or path.startswith(f"{other}.") for other in allowed)


def _read(message: Message, path: str) -> object:
    value: object = message
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _without(message: M, paths: Iterable[str]) -> M:
    rest = type(message)()
    rest.CopyFrom(message)
    for path in paths:
        *parents, last = path.split(".")
        holder: Message = rest
        for name in parents:
            holder = getattr(holder, name)
        holder.ClearField(last)
    return rest


def _copy(target: Message, source: Message, names: list[str]) -> None:
    name, *inner = names
    field = target.DESCRIPTOR.fields_by_name[name]
    if inner:
        _copy(getattr(target, name), getattr(source, name), inner)
        return
    target.ClearField(name)
    if field.has_presence and not source.HasField(name):
        return
    if field.is_repeated or field.message_type is not None:
        present = {other.name: value for other, value in source.ListFields()}
        if name in present:
            _copy_composite(target, name, present[name], field)
    else:
        setattr(target, name, getattr(source, name))


def _copy_composite(target: Message, name: str, value: object, field: FieldDescriptor) -> None:
    holder = getattr(target, name)
    if not field.is_repeated:
        holder.CopyFrom(value)
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        holder.MergeFrom(value) if hasattr(holder, "MergeFrom") else holder.update(value)
    else:
        holder.extend(value)

"""Prints a file descriptor as .proto source.

Needed for one file: no wheel ships the text of `buf/validate/validate.proto`, but protovalidate ships its descriptor.
Covers what that file uses (proto2, oneofs, enums, extensions, reserved, aggregate options); anything else is an error,
so that a newer descriptor cannot be printed with a part missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FieldOptions,
    FileDescriptorProto,
    FileOptions,
)

INDENT = "  "
# protoc writes `extensions 1000 to max` with this exclusive end.
EXTENSION_RANGE_MAX = 536870912


class UnsupportedDescriptorError(ValueError):
    """The descriptor holds something this printer does not know; extend it before vendoring that file."""


def print_file(file: FileDescriptorProto) -> str:
    """Returns proto2 source that compiles to `file`, ending in a newline; raises UnsupportedDescriptorError."""
    if file.syntax not in ("", "proto2") or file.service:
        raise UnsupportedDescriptorError(f"{file.name}: only proto2 files without services are supported")
    lines = ['syntax = "proto2";', "", f"package {file.package};", ""]
    lines += [f'import "{name}";' for name in file.dependency]
    lines += ["", *_file_options(file.options), ""]
    lines += _extensions(file)
    for message in file.message_type:
        lines += [*_message(message, file.package), ""]
    for enum in file.enum_type:
        lines += [*_enum(enum), ""]
    return "\n".join(lines).rstrip() + "\n"


def _file_options(options: FileOptions) -> Iterator[str]:
    for field, value in options.ListFields():
        yield f"option {field.name} = {_scalar(value)};"


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    raise UnsupportedDescriptorError(f"option value {value!r}")


def _extensions(file: FileDescriptorProto) -> Iterator[str]:
    for field in file.extension:
        yield f"extend {_type_name(field.extendee, file.package)} {{"
        yield INDENT + _field(field, file.package)
        yield "}"
        yield ""


def _message(message: DescriptorProto, package: str) -> Iterator[str]:
    if message.nested_type or message.enum_type or message.extension or message.HasField("options"):
        raise UnsupportedDescriptorError(f"message {message.name}: nested types and options")
    yield f"message {message.name} {{"
    for line in _members(message, package):
        yield INDENT + line
    yield "}"


def _members(message: DescriptorProto, package: str) -> Iterator[str]:
    done: set[int] = set()
    for field in message.field:
        if not field.HasField("oneof_index"):
            yield _field(field, package)
        elif field.oneof_index not in done:
            done.add(field.oneof_index)
            yield from _oneof(message, field.oneof_index, package)
    for extension_range in message.extension_range:
        end = "max" if extension_range.end == EXTENSION_RANGE_MAX else str(extension_range.end - 1)
        yield f"extensions {extension_range.start} to {end};"
    yield from _reserved(((r.start, r.end - 1) for r in message.reserved_range), message.reserved_name)


def _oneof(message: DescriptorProto, index: int, package: str) -> Iterator[str]:
    yield f"oneof {message.oneof_decl[index].name} {{"
    for field in message.field:
        if field.HasField("oneof_index") and field.oneof_index == index:
            yield INDENT + _field(field, package, in_oneof=True)
    yield "}"


def _field(field: FieldDescriptorProto, package: str, *, in_oneof: bool = False) -> str:
    if field.HasField("default_value"):
        raise UnsupportedDescriptorError(f"field {field.name}: default value")
    label = "" if in_oneof else FieldDescriptorProto.Label.Name(field.label).removeprefix("LABEL_").lower() + " "
    return f"{label}{_field_type(field, package)} {field.name} = {field.number}{_field_options(field.options)};"


def _field_type(field: FieldDescriptorProto, package: str) -> str:
    if field.type_name:
        return _type_name(field.type_name, package)
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def _type_name(full_name: str, package: str) -> str:
    return full_name.removeprefix(f".{package}.").removeprefix(".")


def _field_options(options: FieldOptions) -> str:
    parts = [_field_option(descriptor, value) for descriptor, value in options.ListFields()]
    return f" [{', '.join(parts)}]" if parts else ""


def _field_option(descriptor: Any, value: Any) -> str:
    if not descriptor.is_extension:
        return f"{descriptor.name} = {_scalar(value)}"
    body = text_format.MessageToString(value, as_one_line=True)
    return f"({descriptor.full_name}) = {{ {body} }}"


def _enum(enum: EnumDescriptorProto) -> Iterator[str]:
    yield f"enum {enum.name} {{"
    for value in enum.value:
        yield f"{INDENT}{value.name} = {value.number};"
    for line in _reserved(((r.start, r.end) for r in enum.reserved_range), enum.reserved_name):
        yield INDENT + line
    yield "}"


def _reserved(ranges: Iterable[tuple[int, int]], names: Iterable[str]) -> Iterator[str]:
    numbers = [str(start) if start == end else f"{start} to {end}" for start, end in ranges]
    if numbers:
        yield f"reserved {', '.join(numbers)};"
    quoted = [f'"{name}"' for name in names]
    if quoted:
        yield f"reserved {', '.join(quoted)};"


def load_descriptor(serialized: bytes) -> FileDescriptorProto:
    """Parses a file descriptor whose own extensions annotate its own fields (they are registered first)."""
    file = FileDescriptorProto.FromString(serialized)
    for dependency in file.dependency:
        # Importing a generated module registers its descriptor, which Add requires.
        import_module(dependency.removesuffix(".proto").replace("/", ".") + "_pb2")
    descriptor_pool.Default().AddSerializedFile(serialized)
    return FileDescriptorProto.FromString(serialized)

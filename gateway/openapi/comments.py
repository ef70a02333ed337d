"""The comments of protos, by the full name of what they stand at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto

Path = tuple[int, ...]
# Field numbers of descriptor.proto, which make up the paths in SourceCodeInfo.
FILE_MESSAGES, FILE_ENUMS, FILE_SERVICES = 4, 5, 6
MESSAGE_FIELDS, MESSAGE_NESTED, MESSAGE_ENUMS = 2, 3, 4
ENUM_VALUES = SERVICE_METHODS = 2


def read_comments(files: Iterable[FileDescriptorProto]) -> Mapping[str, str]:
    """Returns the leading comment of everything that has one. An enum value goes by `<full name of the enum>.<value>`."""
    found: dict[str, str] = {}
    for file in files:
        names = dict(_file_names(file))
        for location in file.source_code_info.location:
            name = names.get(tuple(location.path))
            if name and location.leading_comments:
                found[name] = _clean(location.leading_comments)
    return found


def first_sentence(comment: str) -> str:
    """Returns a comment up to its first full stop or colon, without it and as plain text."""
    line = " ".join(comment.replace("`", "").split())
    ends = [at for at in (line.find(". "), line.find(": ")) if at > 0]
    return line[: min(ends)] if ends else line.rstrip(".")


def _clean(comment: str) -> str:
    return "\n".join(line.removeprefix(" ").rstrip() for line in comment.splitlines()).strip()


def _file_names(file: FileDescriptorProto) -> Iterator[tuple[Path, str]]:
    for index, message in enumerate(file.message_type):
        yield from _message_names(message, (FILE_MESSAGES, index), f"{file.package}.{message.name}")
    for index, enum in enumerate(file.enum_type):
        yield from _enum_names(enum, (FILE_ENUMS, index), f"{file.package}.{enum.name}")
    for index, service in enumerate(file.service):
        name = f"{file.package}.{service.name}"
        yield (FILE_SERVICES, index), name
        for number, method in enumerate(service.method):
            yield (FILE_SERVICES, index, SERVICE_METHODS, number), f"{name}.{method.name}"


def _message_names(message: DescriptorProto, path: Path, name: str) -> Iterator[tuple[Path, str]]:
    yield path, name
    for index, field in enumerate(message.field):
        yield (*path, MESSAGE_FIELDS, index), f"{name}.{field.name}"
    for index, nested in enumerate(message.nested_type):
        yield from _message_names(nested, (*path, MESSAGE_NESTED, index), f"{name}.{nested.name}")
    for index, enum in enumerate(message.enum_type):
        yield from _enum_names(enum, (*path, MESSAGE_ENUMS, index), f"{name}.{enum.name}")


def _enum_names(enum: EnumDescriptorProto, path: Path, name: str) -> Iterator[tuple[Path, str]]:
    yield path, name
    for index, value in enumerate(enum.value):
        yield (*path, ENUM_VALUES, index), f"{name}.{value.name}"

"""Messages and enums as JSON Schemas, as the transcoder reads and writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor

from buf.validate import validate_pb2
from gateway.openapi.constraints import list_keywords, map_keywords, refused_enum_numbers, refuses_absence, rules_of, value_keywords

Json = dict[str, Any]

STRING_INTEGER: Json = {"type": "string", "pattern": "^-?[0-9]+$"}
SCALARS: Mapping[int, Json] = {
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.TYPE_INT64: STRING_INTEGER | {"format": "int64"},
    FieldDescriptor.TYPE_SINT64: STRING_INTEGER | {"format": "int64"},
    FieldDescriptor.TYPE_SFIXED64: STRING_INTEGER | {"format": "int64"},
    FieldDescriptor.TYPE_UINT64: STRING_INTEGER | {"format": "uint64"},
    FieldDescriptor.TYPE_FIXED64: STRING_INTEGER | {"format": "uint64"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_SINT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_SFIXED32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "format": "int64", "minimum": 0},
    FieldDescriptor.TYPE_FIXED32: {"type": "integer", "format": "int64", "minimum": 0},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}
WELL_KNOWN: Mapping[str, Json] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Value": {},
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.Any": {"type": "object", "required": ["@type"], "properties": {"@type": {"type": "string"}}},
    "google.protobuf.DoubleValue": {"type": "number", "format": "double"},
    "google.protobuf.FloatValue": {"type": "number", "format": "float"},
    "google.protobuf.Int64Value": STRING_INTEGER | {"format": "int64"},
    "google.protobuf.UInt64Value": STRING_INTEGER | {"format": "uint64"},
    "google.protobuf.Int32Value": {"type": "integer", "format": "int32"},
    "google.protobuf.UInt32Value": {"type": "integer", "format": "int64", "minimum": 0},
    "google.protobuf.BoolValue": {"type": "boolean"},
    "google.protobuf.StringValue": {"type": "string"},
    "google.protobuf.BytesValue": {"type": "string", "contentEncoding": "base64"},
}
STATUS = "google.rpc.Status"
PATCH_SUFFIX = "Patch"


class AmbiguousNameError(ValueError):
    """Two messages of different packages have the same short name."""


@dataclass(slots=True)
class Schemas:
    """The schemas that operations refer to; what is asked for is added to `components`."""

    comments: Mapping[str, str]
    accepted: frozenset[str]
    """Full names of the messages that requests hold. In all others, what is always printed is always there."""
    components: dict[str, Json] = field(default_factory=dict)
    _owners: dict[str, str] = field(default_factory=dict)

    def message(self, message: Descriptor, *, patch: bool = False) -> Json:
        """Returns a reference to the schema of a message. With `patch`, to one that requires nothing."""
        if message.full_name in WELL_KNOWN:
            return WELL_KNOWN[message.full_name]
        name = self._name(message)
        if patch and requires_anything(message):
            name += PATCH_SUFFIX
        else:
            patch = False
        if name not in self.components and message.full_name != STATUS:
            self.components[name] = {}  # so that a message that holds itself ends
            self.components[name] = self.inline(message, patch=patch)
        return _ref(name)

    def inline(self, message: Descriptor, *, patch: bool = False, without: Iterable[str] = ()) -> Json:
        """Returns the schema of a message itself, without the fields named in `without`."""
        left_out = set(without)
        fields = [item for item in message.fields if item.name not in left_out and not (patch and output_only(item))]
        schema: Json = {"type": "object", "description": self.comments.get(message.full_name, "")}
        schema["properties"] = {item.name: self.field(item, patch=patch) for item in fields}
        if not patch and (required := [item.name for item in fields if self._is_required(item)]):
            schema["required"] = required
        if variants := [_variants(oneof) for oneof in message.oneofs if len(oneof.fields) > 1]:
            schema["allOf"] = variants
        return schema

    def field(self, item: FieldDescriptor, *, patch: bool = False) -> Json:
        """Returns the schema of a field, its comment and its rules included."""
        schema = dict(self._shape(item, patch=patch))
        if comment := self.comments.get(item.full_name):
            schema["description"] = comment
        if output_only(item):
            schema["readOnly"] = True
        if _has_behavior(item, field_behavior_pb2.INPUT_ONLY):
            schema["writeOnly"] = True
        if item.GetOptions().deprecated:
            schema["deprecated"] = True
        return schema

    def _shape(self, item: FieldDescriptor, *, patch: bool) -> Json:
        rules = rules_of(item)
        if is_map(item):
            value = message_of(item).fields_by_name["value"]
            values = self._value(value, rules.map.values, patch=patch)
            return {"type": "object", "additionalProperties": values} | map_keywords(rules.map)
        if item.is_repeated:
            items = self._value(item, rules.repeated.items, patch=patch)
            return {"type": "array", "items": items} | list_keywords(rules.repeated)
        return self._value(item, rules, patch=patch)

    def _value(self, item: FieldDescriptor, rules: validate_pb2.FieldRules, *, patch: bool) -> Json:
        if item.message_type is not None:
            return self.message(item.message_type, patch=patch)
        if item.enum_type is not None:
            refused = refused_enum_numbers(rules)
            return self._enum(item.enum_type) | ({"not": {"enum": _value_names(item.enum_type, refused)}} if refused else {})
        return SCALARS[item.type] | value_keywords(rules)

    def _enum(self, enum: EnumDescriptor) -> Json:
        name = self._name(enum)
        lines = [f"- `{value.name}`: {self.comments.get(f'{enum.full_name}.{value.name}', '')}" for value in enum.values]
        description = "\n".join([self.comments.get(enum.full_name, ""), "", *(" ".join(line.split()) for line in lines)])
        self.components[name] = {"type": "string", "enum": [value.name for value in enum.values], "description": description}
        return _ref(name)

    def _name(self, of: Descriptor | EnumDescriptor) -> str:
        name = of.full_name.removeprefix(f"{of.file.package}.")
        if self._owners.setdefault(name, of.full_name) != of.full_name:
            raise AmbiguousNameError(f"{of.full_name} and {self._owners[name]} would both be {name}: rename one")
        return name

    def _is_required(self, item: FieldDescriptor) -> bool:
        owner = item.containing_type
        if owner is not None and owner.full_name in self.accepted:
            return is_required(item)
        return not item.has_presence


def accepted_messages(roots: Iterable[Descriptor]) -> frozenset[str]:
    """Returns the full names of the messages that requests of the types `roots` can hold."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        message = waiting.pop()
        if message.full_name not in found:
            found.add(message.full_name)
            waiting += [item.message_type for item in message.fields if item.message_type is not None]
    return frozenset(found)


def is_required(item: FieldDescriptor) -> bool:
    """Whether a request must have the field: its proto says so, or its rules refuse what an absent field means."""
    return not output_only(item) and (_has_behavior(item, field_behavior_pb2.REQUIRED) or refuses_absence(item))


def requires_anything(message: Descriptor) -> bool:
    """Whether a request must have a field of the message, so that a partial update needs a schema of its own."""
    return any(is_required(item) for item in message.fields)


def output_only(item: FieldDescriptor) -> bool:
    """Whether only answers have the field."""
    return _has_behavior(item, field_behavior_pb2.OUTPUT_ONLY)


def is_map(item: FieldDescriptor) -> bool:
    """Whether the field is a map."""
    return item.message_type is not None and item.message_type.GetOptions().map_entry


def message_of(item: FieldDescriptor) -> Descriptor:
    """Returns the message type of a field; raises TypeError for a field that is none."""
    if item.message_type is None:
        raise TypeError(f"{item.full_name} holds no message")
    return item.message_type


def _has_behavior(item: FieldDescriptor, behavior: int) -> bool:
    return behavior in item.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def _variants(oneof: OneofDescriptor) -> Json:
    """At most one of the fields, or exactly one where the rules say so."""
    alternatives: list[Json] = [{"required": [item.name]} for item in oneof.fields]
    if oneof.GetOptions().Extensions[validate_pb2.oneof].required:
        return {"oneOf": alternatives}
    return {"oneOf": [*alternatives, {"not": {"anyOf": alternatives}}]}


def _value_names(enum: EnumDescriptor, numbers: Iterable[int]) -> list[str]:
    return [enum.values_by_number[number].name for number in numbers]


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}

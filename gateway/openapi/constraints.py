"""buf.validate rules as JSON Schema keywords, as far as both can say the same."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from buf.validate import validate_pb2

Json = dict[str, Any]
# 64-bit integers travel as strings, so that numeric bounds do not apply to them.
NUMBERS = ("int32", "uint32", "sint32", "fixed32", "sfixed32", "float", "double")
BOUNDS = {"gt": "exclusiveMinimum", "gte": "minimum", "lt": "exclusiveMaximum", "lte": "maximum"}
STRING_FORMATS = {"uuid": "uuid", "email": "email", "hostname": "hostname", "uri": "uri", "ipv4": "ipv4", "ipv6": "ipv6"}


def rules_of(field: FieldDescriptor) -> validate_pb2.FieldRules:
    """Returns the rules of a field; empty ones when it has none."""
    rules: validate_pb2.FieldRules = field.GetOptions().Extensions[validate_pb2.field]
    return rules


def refuses_absence(field: FieldDescriptor) -> bool:
    """Whether leaving the field out breaks its rules."""
    rules = rules_of(field)
    if rules.ignore == validate_pb2.IGNORE_ALWAYS:
        return False
    if rules.required:
        return True
    if field.has_presence or rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE:
        return False
    string = rules.string
    return string.min_len > 0 or _format(string) is not None or rules.repeated.min_items > 0


def value_keywords(rules: validate_pb2.FieldRules) -> Json:
    """Returns what holds for one value: of a field, an item, or a value of a map."""
    may_be_zero = rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE
    kind = rules.WhichOneof("type")
    if kind == "string":
        return _string(rules.string, may_be_zero=may_be_zero)
    if kind in NUMBERS:
        return _number(getattr(rules, kind))
    return {}


def list_keywords(rules: validate_pb2.RepeatedRules) -> Json:
    """Returns what holds for a list as a whole."""
    found: Json = {}
    if rules.HasField("min_items"):
        found["minItems"] = rules.min_items
    if rules.HasField("max_items"):
        found["maxItems"] = rules.max_items
    if rules.unique:
        found["uniqueItems"] = True
    return found


def map_keywords(rules: validate_pb2.MapRules) -> Json:
    """Returns what holds for a map as a whole and for its keys."""
    found: Json = {}
    if rules.HasField("min_pairs"):
        found["minProperties"] = rules.min_pairs
    if rules.HasField("max_pairs"):
        found["maxProperties"] = rules.max_pairs
    if keys := value_keywords(rules.keys):
        found["propertyNames"] = keys
    return found


def refused_enum_numbers(rules: validate_pb2.FieldRules) -> list[int]:
    """Returns the numbers of the enum values that a field, or an item of it, must not have."""
    kind = rules.WhichOneof("type")
    return list(rules.repeated.items.enum.not_in if kind == "repeated" else rules.enum.not_in)


def _string(rules: validate_pb2.StringRules, *, may_be_zero: bool) -> Json:
    found: Json = {}
    if rules.min_len and not may_be_zero:
        found["minLength"] = rules.min_len
    if rules.HasField("max_len"):
        found["maxLength"] = rules.max_len
    if rules.pattern:
        found["pattern"] = rules.pattern
    if allowed := list(getattr(rules, "in")):
        found["enum"] = allowed
    # `format: uuid` would refuse the empty string.
    if (format_name := _format(rules)) and not may_be_zero:
        found["format"] = format_name
    return found


def _format(rules: validate_pb2.StringRules) -> str | None:
    return STRING_FORMATS.get(rules.WhichOneof("well_known") or "")


def _number(rules: Any) -> Json:
    found: Json = {keyword: getattr(rules, rule) for rule, keyword in BOUNDS.items() if rules.HasField(rule)}
    if allowed := list(getattr(rules, "in")):
        found["enum"] = allowed
    return found

"""Rules for text that tenants write: names, identifiers of a warehouse, and the size of YAML."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from services.common.errors import FieldViolation

SLUG = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
SLUG_RULE = "must be 1 to 63 lower-case letters, digits and hyphens, starting with a letter and not ending with a hyphen"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# A quoted identifier may hold anything, but a quote inside one is what SQL injection is made of, and no real table needs it.
_QUOTES = frozenset("\"'`")
IDENTIFIER_MAX_LENGTH = 255


def is_name(name: str, max_length: int) -> bool:
    """Whether `name` is a name of a resource: ASCII letters, digits, `_`, `-`, `.`, starting with a letter or digit."""
    return len(name) <= max_length and _NAME.fullmatch(name) is not None


def name_rule(max_length: int) -> str:
    """The rule of `is_name` in words that follow the field's name."""
    return f"must be 1 to {max_length} letters, digits, '_', '-' or '.', starting with a letter or digit"


def has_control_character(text: str) -> bool:
    """Whether `text` holds a control character; line breaks and tabs count."""
    return any(unicodedata.category(character) == "Cc" for character in text)


def check_identifier(field: str, value: str) -> Iterator[FieldViolation]:
    """What is wrong with `value` as the name of a table, schema, database, warehouse or role; an empty one is fine."""
    if len(value) > IDENTIFIER_MAX_LENGTH:
        yield FieldViolation(field, f"must be at most {IDENTIFIER_MAX_LENGTH} characters; this has {len(value)}")
    elif has_control_character(value):
        yield FieldViolation(field, "must not hold control characters, such as line breaks")
    elif _QUOTES & set(value):
        yield FieldViolation(field, "must not hold quotes; write the bare name, quoting is done where it is needed")
    elif value != value.strip():
        yield FieldViolation(field, "must not start or end with white space")


def check_label(field: str, value: str) -> Iterator[FieldViolation]:
    """What is wrong with `value` as one line of text for people; any script and emoji are fine."""
    if has_control_character(value):
        yield FieldViolation(field, "must be one line of text without control characters")


def check_size(field: str, text: str, max_bytes: int) -> Iterator[FieldViolation]:
    """What is wrong with the size of `text`, counted in bytes of UTF-8."""
    size = len(text.encode())
    if size > max_bytes:
        yield FieldViolation(field, f"must be at most {max_bytes // 1024} KiB; this has {size} bytes")

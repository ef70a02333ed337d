"""`${name}` substitution: the only template language that checks have. It knows the given values and nothing else.

Soda resolves `${…}` with Jinja, which prefers the process environment over the tenant's values; here neither the
environment nor any expression is reachable, and a value is never resolved a second time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from services.quality.soda.document import Value, YamlList, YamlMap

_REFERENCE = re.compile(r"\$\{([^{}]*)\}?")
_NAME = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*\Z")


class BadReference(Exception):
    """A `${…}` that names no declared variable, or is more than a name."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def references(value: Value) -> set[str]:
    """Names of the variables that a value refers to, at any depth; malformed references are left out."""
    if isinstance(value, str):
        names = (_NAME.match(body) for body in _REFERENCE.findall(value))
        return {name.group(1) for name in names if name}
    if isinstance(value, dict):
        return set().union(*(references(key) | references(item) for key, item in value.items()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def resolve_text(text: str, values: Mapping[str, str]) -> str:
    """The text with each `${name}` replaced once. Raises BadReference for an unknown name or anything but a name."""
    if "${" not in text:
        return text
    return _REFERENCE.sub(lambda found: _value_of(found, values), text)


def resolve(value: Value, values: Mapping[str, str]) -> Value:
    """A copy of a YAML value with each text in it resolved; positions are kept. Raises BadReference."""
    if isinstance(value, str):
        return resolve_text(value, values)
    if isinstance(value, YamlMap):
        copy = YamlMap(value.position)
        for key, item in value.items():
            copy.put(resolve_text(key, values), value.positions[key], resolve(item, values))
        return copy
    if isinstance(value, YamlList):
        items = YamlList(value.position)
        for position, item in zip(value.positions, value, strict=True):
            items.put(position, resolve(item, values))
        return items
    return value


def check_form(value: Value) -> None:
    """Raise BadReference when a reference in the value is more than a name; unknown names are fine here."""
    for text in _texts(value):
        for found in _REFERENCE.finditer(text):
            _name_of(found)


def _texts(value: Value) -> list[str]:
    if isinstance(value, str):
        return [value] if "${" in value else []
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (*_texts(key), *_texts(item))]
    return [text for item in value for text in _texts(item)] if isinstance(value, list) else []


def _name_of(found: re.Match[str]) -> str:
    name = _NAME.match(found.group(1))
    if name is None or not found.group(0).endswith("}"):
        raise BadReference(f"`{found.group(0)[:60]}` is not a variable: only `${{name}}` with a declared name is understood.")
    return name.group(1)


def _value_of(found: re.Match[str], values: Mapping[str, str]) -> str:
    name = _name_of(found)
    if name not in values:
        known = ", ".join(sorted(values)) or "none"
        raise BadReference(f"Variable `{name}` is not declared; known variables: {known}.")
    return str(values[name])

"""Turns the YAML of a manifest into the messages of the API, and says where it does not fit."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from google.protobuf.message import Message
from yaml.constructor import SafeConstructor

from chalkandduster.cli.apply.fields import enum_values, is_message, is_secret, spec_fields
from chalkandduster.cli.apply.problem import Place, Problem

if TYPE_CHECKING:
    from chalkandduster.cli.apply.fields import Field

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NULL, _BOOL, _INT = "tag:yaml.org,2002:null", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int"
_TEXT = "tag:yaml.org,2002:str"

Entry = tuple[yaml.Node, yaml.Node]
"""Key and value of a mapping."""


class Decoder:
    """Reads one file. Everything wrong is added to `problems`, so that all of it is told at once."""

    def __init__(
        self, file: Path, problems: list[Problem], *, references: bool = False, environment: Mapping[str, str] = os.environ
    ) -> None:
        """With `references` every value may be one, `${NAME}`, to a variable of the environment; a secret must be one anyway."""
        self._file = file
        self._problems = problems
        self._references = references
        self._environment = environment

    def with_references(self) -> Decoder:
        """The same for a part in which every value may be a reference."""
        return Decoder(self._file, self._problems, references=True, environment=self._environment)

    def place(self, node: yaml.Node) -> Place:
        """Where a node is."""
        return Place.of(self._file, node.start_mark)

    def complain(self, node: yaml.Node, message: str) -> None:
        """Adds a problem."""
        self._problems.append(Problem(self.place(node), message))

    def mapping(self, node: yaml.Node, what: str) -> dict[str, Entry]:
        """The entries of a mapping by their keys; `what` names it in problems."""
        if not isinstance(node, yaml.MappingNode):
            self.complain(node, f"{what}: expected a mapping of names to values")
            return {}
        entries: dict[str, Entry] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.complain(key, f"{what}: expected a name")
            elif key.value in entries:
                self.complain(key, f"{key.value!r} is given twice")
            else:
                entries[key.value] = (key, value)
        return entries

    def text(self, node: yaml.Node, what: str) -> str:
        """A text. Numbers and dates count as written, so that `2024-01-01` needs no quotes; null is the empty text."""
        if not isinstance(node, yaml.ScalarNode):
            self.complain(node, f"{what}: expected a text")
            return ""
        return "" if node.tag == _NULL else str(node.value)

    def unknown(self, key: yaml.Node, name: str, allowed: Iterable[str]) -> None:
        """Complains about a name that is not one of those allowed."""
        known = sorted(allowed)
        similar = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {similar[0]!r}?" if similar else f"expected one of: {', '.join(known)}"
        self.complain(key, f"unknown field {name!r}; {hint}")

    def fill(self, message: Message, entries: dict[str, Entry], prefix: str, also: Iterable[str] = ()) -> dict[str, Place]:
        """Sets the fields of a message; answers where each path was set. `also` are names that the caller reads itself."""
        fields = spec_fields(message)
        places: dict[str, Place] = {}
        for name, (key, value) in entries.items():
            if name in also or (isinstance(value, yaml.ScalarNode) and value.tag == _NULL and name in fields):
                continue
            if name not in fields:
                self.unknown(key, name, (*fields, *also))
                continue
            path = f"{prefix}{name}"
            places[path] = self.place(value)
            places |= self._set(message, fields[name], value, path)
        return places

    def _set(self, message: Message, field: Field, value: yaml.Node, path: str) -> dict[str, Place]:
        other = message.WhichOneof(field.containing_oneof.name) if field.containing_oneof else None
        if other is not None and other != field.name:
            self.complain(value, f"{path}: give {other} or {field.name}, not both")
        elif is_message(field):
            inner = getattr(message, field.name)
            inner.SetInParent()
            return self.fill(inner, self.mapping(value, path), f"{path}.")
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            texts = {key: self.text(node, f"{path}.{key}") for key, (_, node) in self.mapping(value, path).items()}
            getattr(message, field.name).update(texts)
        elif field.is_repeated:
            getattr(message, field.name).extend(self._items(field, value, path))
        elif (scalar := self._scalar(field, value, path)) is not None:
            setattr(message, field.name, scalar)
        return {}

    def _items(self, field: Field, node: yaml.Node, path: str) -> list[Any]:
        if not isinstance(node, yaml.SequenceNode):
            self.complain(node, f"{path}: expected a list")
            return []
        items = (self._scalar(field, item, f"{path}[{index}]") for index, item in enumerate(node.value))
        return [item for item in items if item is not None]

    def _scalar(self, field: Field, node: yaml.Node, path: str) -> Any:
        """The value of a field that is no message; None after a complaint."""
        reference = _REFERENCE.fullmatch(node.value.strip()) if isinstance(node, yaml.ScalarNode) else None
        if is_secret(field) and reference is None:
            # The text itself is not shown: it may be the secret.
            self.complain(node, f"{path}: a secret does not belong in a file; name a variable of the environment: ${{NAME}}")
            return None
        if reference is not None and (self._references or is_secret(field)):
            value = self._environment.get(reference.group(1), "")
            if not value:
                self.complain(node, f"{path}: the environment variable {reference.group(1)} is not set")
                return None
            node = _replaced(node, value, is_text=field.type == field.TYPE_STRING)
        if field.enum_type is not None:
            return self._enum(field, node, path)
        return self.text(node, path) if field.type == field.TYPE_STRING else self._bool_or_int(field, node, path)

    def _bool_or_int(self, field: Field, node: yaml.Node, path: str) -> bool | int | None:
        expected, tag = ("true or false", _BOOL) if field.type == field.TYPE_BOOL else ("a whole number", _INT)
        if not isinstance(node, yaml.ScalarNode) or node.tag != tag:
            self.complain(node, f"{path}: expected {expected}")
            return None
        value: bool | int = SafeConstructor().construct_object(node)
        if not -(2**31) <= value < 2**31:
            self.complain(node, f"{path}: the number is out of range")
            return None
        return value

    def _enum(self, field: Field, node: yaml.Node, path: str) -> int | None:
        numbers = enum_values(field)
        number = numbers.get(self.text(node, path).upper())
        if number is None:
            self.complain(node, f"{path}: expected one of {', '.join(numbers)}")
        return number


def _replaced(node: yaml.Node, value: str, *, is_text: bool) -> yaml.ScalarNode:
    """A node with another value in the same place, of the type that the value would have in the file."""
    tag = _TEXT if is_text else _INT if value.isascii() and value.isdigit() else _BOOL if value in ("true", "false") else _TEXT
    return yaml.ScalarNode(tag, value, node.start_mark, node.end_mark)

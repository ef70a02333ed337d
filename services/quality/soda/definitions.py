"""A check written out again: its canonical text, its stable id, and a whole suite in Soda's own form."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b

import yaml

from services.quality.soda.document import Value, YamlMap, plain_scalar


def definition_of(text: str, config: Value) -> str:
    """The check as canonical SodaCL: one line, or the line and its indented settings."""
    if config is None:
        return text
    return dump({text: plain(config)}).rstrip("\n")


def plain(value: Value) -> object:
    """The value as plain dicts and lists, without positions."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def dump(value: object) -> str:
    """YAML text of plain values, in the order given."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000))


def canonical_yaml(document: YamlMap) -> str:
    """The same declarations in Soda's own form. Comments are not kept."""
    sections: dict[str, object] = {}
    for header, content in document.items():
        if header == "checks" and isinstance(content, YamlMap):
            sections.update({f"checks for {table}": plain(checks) for table, checks in content.items()})
        else:
            sections[header] = plain(content)
    return dump(sections)


@dataclass(slots=True)
class CheckIds:
    """Gives each check an id that survives reordering; equal checks are told apart by their occurrence."""

    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def next(self, table: str, definition: str) -> str:
        """16 hexadecimal digits of table, definition and how often that pair came before."""
        occurrence = self._seen[table, definition]
        self._seen[table, definition] += 1
        return blake2b("\x1f".join((table, definition, str(occurrence))).encode("utf-8", "replace"), digest_size=8).hexdigest()


class _Dumper(yaml.CSafeDumper):
    """Plain YAML whose multi-line texts (queries) stay readable blocks."""


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    # Quotes where our reading of the bare word would differ from the dumper's, which follows YAML 1.1.
    style = "|" if "\n" in value else None if plain_scalar(value) == value else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)

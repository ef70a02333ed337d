"""Reads `drift_yaml`: every problem with its line and column, and what was expected."""

from __future__ import annotations

import difflib
import math
import zoneinfo
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, TypeVar

import holidays
import yaml

from services.drift.domain.errors import SettingsProblem
from services.drift.domain.watch_settings import MAX_BACKFILL, Partitioning, SchemaChange, SchemaRule, Watched, WatchSettings
from services.drift.profiling.plan import Grain

MAX_BYTES = 64 * 1024
MAX_DEPTH = 6
MAX_NODES = 20_000
MAX_COLUMNS = 2000
SENSITIVITIES = {"low": 0.75, "normal": 1.0, "high": 1.3}
_GRAINS = tuple(grain for grain in Grain if grain is not Grain.VALUE)

Node = yaml.Node
Choice = TypeVar("Choice", bound=StrEnum)


class _Wrong(Exception):
    def __init__(self, node: Node | None, message: str) -> None:
        super().__init__(message)
        self.problem = SettingsProblem(node.start_mark.line + 1 if node else 0, node.start_mark.column + 1 if node else 0, message)


def parse_drift_yaml(text: str) -> tuple[WatchSettings, tuple[SettingsProblem, ...]]:
    """The settings, and what is wrong with the text. With problems the settings are those parts that could be read."""
    try:
        root = _compose(text)
    except _Wrong as wrong:
        return WatchSettings(), (wrong.problem,)
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        return WatchSettings(), (SettingsProblem(line, column, error.problem or error.context or "this is not YAML"),)
    except yaml.YAMLError:
        return WatchSettings(), (SettingsProblem(0, 0, "holds a character that YAML does not allow"),)
    if root is None:
        return WatchSettings(), ()
    reader = _Reader()
    return reader.settings(root), tuple(sorted(reader.problems, key=lambda problem: (problem.line, problem.column)))


def _compose(text: str) -> Node | None:
    """The one document of the text. Walks the events first, which cost no more than the text is long."""
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise _Wrong(None, f"is longer than {MAX_BYTES // 1024} KiB")
    depth = nodes = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _Wrong(_at(event), "aliases (*name) are not allowed")
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        nodes += isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH or nodes > MAX_NODES or documents > 1:
            limit = "one document is expected" if documents > 1 else "this is nested too deep, or too long, for drift settings"
            raise _Wrong(_at(event), limit)
    composed: Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    return composed


def _at(event: yaml.Event) -> Node:
    mark: Any = event.start_mark
    return yaml.ScalarNode("", "", start_mark=mark)


class _Reader:
    """Reads nodes into settings and keeps what is wrong; a wrong part leaves its default."""

    def __init__(self) -> None:
        self.problems: list[SettingsProblem] = []

    def settings(self, root: Node) -> WatchSettings:
        found = self._mapping(root, _TOP)
        columns, schema = found.pop("columns", {}), found.pop("schema", {})
        timezone = found.get("timezone", "UTC")
        partition = found.pop("partition", None)
        if partition is not None:
            partition = self._partition(partition, timezone)
        grain = found.pop("grain", Grain.DAY)
        return WatchSettings(**found, **columns, schema_rules=schema, partition=partition, grain=grain)

    def _partition(self, given: dict[str, Any], timezone: str) -> Partitioning | None:
        return Partitioning(**({"timezone": timezone} | given)) if "column" in given else None

    def _mapping(self, node: Node, keys: dict[str, tuple[str, Callable[[_Reader, Node], Any]]]) -> dict[str, Any]:
        if _is_null(node):
            return {}
        if not isinstance(node, yaml.MappingNode):
            self._wrong(node, f"a mapping is expected, with keys such as `{next(iter(keys))}:`")
            return {}
        found: dict[str, Any] = {}
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            if name in seen:
                self._wrong(key, f"`{name}` is given twice")
            elif name not in keys:
                self._wrong(key, f"`{name}` is not a setting{_nearest(name, keys)}")
            else:
                self._read(found, *keys[name], value)
            seen.add(name)
        return found

    def _read(self, found: dict[str, Any], attribute: str, read: Callable[[_Reader, Node], Any], value: Node) -> None:
        try:
            found[attribute] = read(self, value)
        except _Wrong as wrong:
            self.problems.append(wrong.problem)

    def _wrong(self, node: Node, message: str) -> None:
        self.problems.append(_Wrong(node, message).problem)

    def partition(self, node: Node) -> dict[str, Any]:
        if isinstance(node, yaml.ScalarNode) and not _is_null(node):
            return {"column": _name(self, node)}
        found = self._mapping(node, _PARTITION)
        if "column" not in found and isinstance(node, yaml.MappingNode):
            raise _Wrong(node, "`column` is missing: the name of a date or time column is expected")
        return found

    def columns(self, node: Node) -> dict[str, Any]:
        return self._mapping(node, _COLUMNS)

    def schema(self, node: Node) -> dict[SchemaChange, SchemaRule]:
        return {SchemaChange(name): rule for name, rule in self._mapping(node, _SCHEMA).items()}


def _is_null(node: Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _nearest(name: str, keys: dict[str, Any]) -> str:
    close = difflib.get_close_matches(name[:100], list(keys), 1)
    return f": `{close[0]}` is meant?" if close else f"; expected one of {', '.join(keys)}"


def _text(node: Node, expected: str) -> str:
    if not isinstance(node, yaml.ScalarNode) or _is_null(node):
        raise _Wrong(node, f"{expected} is expected")
    return str(node.value)


def _name(_: _Reader, node: Node) -> str:
    name = _text(node, "the name of a column")
    if not 1 <= len(name) <= 255 or "\0" in name:
        raise _Wrong(node, "the name of a column is expected, 1 to 255 characters")
    return name


def _names(reader: _Reader, node: Node) -> tuple[str, ...]:
    if not isinstance(node, yaml.SequenceNode) or len(node.value) > MAX_COLUMNS:
        raise _Wrong(node, f"a list of columns is expected, such as [email, phone], at most {MAX_COLUMNS}")
    return tuple(dict.fromkeys(_name(reader, item) for item in node.value))


def _number(low: float, high: float, expected: str) -> Callable[[_Reader, Node], float]:
    def read(_: _Reader, node: Node) -> float:
        try:
            value = float(_text(node, expected))
        except ValueError:
            raise _Wrong(node, f"{expected} is expected") from None
        if not math.isfinite(value) or not low <= value <= high:
            raise _Wrong(node, f"{expected} is expected, from {low:g} to {high:g}")
        return value

    return read


def _whole(low: int, high: int, expected: str) -> Callable[[_Reader, Node], int]:
    number = _number(low, high, expected)

    def read(reader: _Reader, node: Node) -> int:
        value = number(reader, node)
        if value != int(value):
            raise _Wrong(node, f"{expected} is expected, without a fraction")
        return int(value)

    return read


def _one_of(kind: type[Choice], members: Sequence[Choice]) -> Callable[[_Reader, Node], Choice]:
    words = [member.value for member in members]

    def read(_: _Reader, node: Node) -> Choice:
        word = _text(node, f"one of {', '.join(words)}").lower()
        if word not in words:
            raise _Wrong(node, f"one of {', '.join(words)} is expected, not `{word[:40]}`")
        return kind(word)

    return read


def _watch(reader: _Reader, node: Node) -> frozenset[Watched]:
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise _Wrong(node, f"a list is expected, of {', '.join(Watched)}")
    read = _one_of(Watched, tuple(Watched))
    return frozenset(read(reader, item) for item in node.value)


def _sensitivity(reader: _Reader, node: Node) -> float:
    word = _text(node, f"one of {', '.join(SENSITIVITIES)}").lower()
    if word in SENSITIVITIES:
        return SENSITIVITIES[word]
    return _number(0.2, 5.0, f"one of {', '.join(SENSITIVITIES)}, or a number")(reader, node)


def _flag(_: _Reader, node: Node) -> bool:
    if not isinstance(node, yaml.ScalarNode) or node.tag != "tag:yaml.org,2002:bool":
        raise _Wrong(node, "true or false is expected")
    return str(node.value).lower() in ("true", "yes", "on")


def _timezone(_: _Reader, node: Node) -> str:
    name = _text(node, "an IANA time zone, for example Europe/Vienna,")
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise _Wrong(node, "an IANA time zone is expected, for example Europe/Vienna") from None
    return name


def _holidays(_: _Reader, node: Node) -> str:
    written = _text(node, "a country code, for example AT,")
    country, _dash, subdivision = written.upper().partition("-")
    supported = holidays.list_supported_countries()
    if country not in supported:
        raise _Wrong(node, "a country code of ISO 3166 is expected, for example AT or US-NY, of a country whose holidays are known")
    if subdivision and subdivision not in supported[country]:
        known = ", ".join(supported[country][:60]) or "none"
        raise _Wrong(node, f"{country} has no subdivision {subdivision[:10]}; known are: {known}")
    return written.upper()


_RULE = _one_of(SchemaRule, tuple(SchemaRule))
_TOP: dict[str, tuple[str, Callable[[_Reader, Node], Any]]] = {
    "watch": ("watch", _watch),
    "sensitivity": ("sensitivity", _sensitivity),
    "false_alarms": ("false_alarms", _number(0.0001, 0.5, "a share of clean partitions that may alarm, for example 0.005,")),
    "partition": ("partition", _Reader.partition),
    "grain": ("grain", _one_of(Grain, _GRAINS)),
    "timezone": ("timezone", _timezone),
    "holidays": ("holidays", _holidays),
    "columns": ("columns", _Reader.columns),
    "schema": ("schema", _Reader.schema),
    "top_values": ("top_values", _flag),
    "sample": ("sample", _number(0.0001, 1.0, "a share of the rows, for example 0.1,")),
    "backfill": ("backfill", _whole(0, MAX_BACKFILL, "a number of partitions")),
    "adopt_after": ("adopt_after", _whole(0, 1000, "a number of partitions")),
}
_PARTITION: dict[str, tuple[str, Callable[[_Reader, Node], Any]]] = {
    "column": ("column", _name),
    "grain": ("grain", _one_of(Grain, _GRAINS)),
    "timezone": ("timezone", _timezone),
    "delay_hours": ("delay_hours", _number(0, 24 * 31, "a number of hours")),
}
_COLUMNS: dict[str, tuple[str, Callable[[_Reader, Node], Any]]] = {
    "include": ("include", _names),
    "exclude": ("exclude", _names),
    "mute": ("muted", _names),
    "sensitive": ("sensitive", _names),
}
_SCHEMA: dict[str, tuple[str, Callable[[_Reader, Node], Any]]] = {change.value: (change.value, _RULE) for change in SchemaChange}


def render_drift_yaml(settings: WatchSettings) -> str:
    """The settings as YAML, defaults filled in; reading it again gives the same settings."""
    document = {
        "watch": sorted(kind.value for kind in settings.watch),
        "sensitivity": next((word for word, value in SENSITIVITIES.items() if value == settings.sensitivity), settings.sensitivity),
        "false_alarms": settings.false_alarms,
        **_rendered_partition(settings.partition),
        "grain": settings.grain.value,
        "timezone": settings.timezone,
        **({"holidays": settings.holidays} if settings.holidays else {}),
        "columns": {
            "include": list(settings.include),
            "exclude": list(settings.exclude),
            "mute": list(settings.muted),
            "sensitive": list(settings.sensitive),
        },
        "schema": {change.value: rule.value for change, rule in settings.schema_rules.items()},
        "top_values": settings.top_values,
        "sample": settings.sample,
        "backfill": settings.backfill,
        "adopt_after": settings.adopt_after,
    }  # fmt: skip
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _rendered_partition(part: Partitioning | None) -> dict[str, Any]:
    if part is None:
        return {}
    fields = {"column": part.column, "grain": part.grain.value, "timezone": part.timezone, "delay_hours": part.delay_hours}
    return {"partition": fields}

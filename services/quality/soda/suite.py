"""What a checks text declares: sections, filters, variables and checks, in the order of the text.

Both forms are read here: Soda's own (`checks for customers:`) and the compact one (`checks:` holding tables).
A part that cannot be understood becomes a declaration with a problem, so that it is reported beside its neighbours
and never takes them with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

from services.quality.domain.scan import CheckProblem
from services.quality.soda.definitions import CheckIds, definition_of
from services.quality.soda.document import BadDocument, Position, Value, YamlList, YamlMap
from services.quality.soda.variables import references

MAX_CHECKS = 1000
"""Checks of one suite; Soda spends 1 to 3 ms of processor time on each."""

_PART = r'"[^"\n]{1,255}"|(?:[^\W\d]|\$\{[^{}\n]{1,80}\})(?:[\w$]|\$\{[^{}\n]{1,80}\}){0,254}'
_TABLE = re.compile(rf"(?:{_PART})(?:\.(?:{_PART})){{0,2}}")
_TABLE_HEADER = re.compile(rf"({_TABLE.pattern})(?:\s+\[\s*([\w\s-]{{1,100}}?)\s*\])?\s*\Z")
_EACH_HEADER = re.compile(r"for each (?:dataset|table)\s+([A-Za-z_]\w{0,99})\s*\Z")

_REFUSED = {
    "profile columns": "Column profiles belong to drift detection.",
    "discover datasets": "Discovery reads the whole catalogue and is not allowed.",
    "discover tables": "Discovery reads the whole catalogue and is not allowed.",
    "sample datasets": "Samples of whole tables are not kept; a dataset keeps failed rows when its sample policy says so.",
    "sample tables": "Samples of whole tables are not kept; a dataset keeps failed rows when its sample policy says so.",
    "automated monitoring": "Anomaly monitoring belongs to drift detection.",
    "for each column": "`for each column` is not part of Soda Core; write the checks for each column.",
    "soda_cloud": "Connections and reporting are not configured in checks.",
    "data_source": "Connections and reporting are not configured in checks.",
    "sampler": "Connections and reporting are not configured in checks.",
    "reference distribution": "Distributions belong to drift detection.",
}
_EXPECTED = "`checks for TABLE:`, `checks:`, `filter TABLE [name]:`, `configurations for TABLE:`, `variables:` or `for each dataset NAME:`"


class Scope(Enum):
    """What a check is about."""

    TABLE = "table"
    SOURCE = "source"
    EACH = "each"


@dataclass(frozen=True, slots=True)
class EachDataset:
    """One `for each dataset` section: its alias and the tables it stands for."""

    alias: str
    includes: tuple[str, ...]
    excludes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Declaration:
    """One declared check, as written."""

    id: str
    scope: Scope
    table: str
    partition: str
    text: str
    config: Value
    line: int
    column: int
    definition: str
    attributes: YamlMap | None = None
    each: EachDataset | None = None
    problem: CheckProblem | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """The rows that `checks for TABLE [name]` look at."""

    table: str
    name: str
    where: str


@dataclass(slots=True)
class Suite:
    """All that a text declares."""

    declarations: list[Declaration] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)
    configurations: list[tuple[str, YamlMap]] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    problems: list[CheckProblem] = field(default_factory=list)
    """Problems of the text as a whole: mixed forms, keys written twice. A scan looks past them."""
    compact: bool = False
    references: set[str] = field(default_factory=set)


def read_suite(document: YamlMap) -> Suite:
    """Everything a text declares. Raises BadDocument for more checks than one suite may hold."""
    reader = _Reader(Suite(references=references(document)), CheckIds())
    for header, position, content in document.entries:
        reader.section(header.strip(), position, content)
    reader.finish(document)
    return reader.suite


@dataclass(slots=True)
class _Reader:
    suite: Suite
    ids: CheckIds
    native_at: Position | None = None
    compact_at: Position | None = None

    def section(self, header: str, position: Position, content: Value) -> None:
        refused = next((reason for word, reason in _REFUSED.items() if header == word or header.startswith(word + " ")), None)
        if refused:
            self.broken(header, position, f"`{header[:60]}` is not supported. {refused}")
        elif header == "checks" and isinstance(content, YamlMap):
            self.compact_at = self.compact_at or position
            for table, at, checks in content.entries:
                self.table_checks(table.strip(), at, checks)
        elif header == "checks":
            self.source_checks(position, content)
        elif header.startswith("checks for "):
            self.native_at = self.native_at or position
            self.table_checks(header.removeprefix("checks for ").strip(), position, content)
        else:
            self.other_section(header, position, content)

    def other_section(self, header: str, position: Position, content: Value) -> None:
        if header.startswith("filter "):
            self.filter(header.removeprefix("filter ").strip(), position, content)
        elif header.startswith("configurations for "):
            self.configuration(header.removeprefix("configurations for ").strip(), position, content)
        elif header == "variables":
            self.variables(position, content)
        elif each := _EACH_HEADER.match(header):
            self.each_dataset(each.group(1), position, content)
        else:
            self.broken(header, position, f"Unknown section `{header[:60]}`; expected {_EXPECTED}.")

    def broken(self, header: str, position: Position, message: str) -> None:
        self.add(Scope.TABLE, "", "", header[:200], None, position, problem=message)

    def table_checks(self, name: str, position: Position, content: Value) -> None:
        found = _TABLE_HEADER.match(name)
        if found is None:
            self.broken(f"checks for {name}", position, _bad_table(name))
            return
        self.checks(Scope.TABLE, found.group(1), found.group(2) or "", position, content)

    def source_checks(self, position: Position, content: Value) -> None:
        self.native_at = self.native_at or position
        self.checks(Scope.SOURCE, "", "", position, content)

    def each_dataset(self, alias: str, position: Position, content: Value) -> None:
        patterns = content.get("datasets", content.get("tables")) if isinstance(content, YamlMap) else None
        if not isinstance(content, YamlMap) or not isinstance(patterns, YamlList) or not patterns:
            self.broken(f"for each dataset {alias}", position, "Expected `datasets:` with a list of table names, and `checks:`.")
            return
        names = [str(pattern).strip() for pattern in patterns]
        each = EachDataset(
            alias=alias,
            includes=tuple(name.removeprefix("include ").strip(' "') for name in names if not name.startswith("exclude ")),
            excludes=tuple(name.removeprefix("exclude ").strip(' "') for name in names if name.startswith("exclude ")),
        )
        at = content.positions.get("checks", position)
        self.checks(Scope.EACH, "${" + alias + "}", "", at, content.get("checks"), each)

    def checks(self, scope: Scope, table: str, partition: str, position: Position, content: Value, each: EachDataset | None = None) -> None:
        if not isinstance(content, YamlList) or not content:
            found = "nothing" if not content else "an object" if isinstance(content, YamlMap) else "a single value"
            self.broken(table, position, f"Expected a list of checks (`- row_count > 0`), but found {found}.")
            return
        attributes = next((dict_["attributes"] for dict_ in content if isinstance(dict_, YamlMap) and "attributes" in dict_), None)
        shared = attributes if isinstance(attributes, YamlMap) else None
        for at, item in zip(content.positions, content, strict=True):
            if not (isinstance(item, YamlMap) and list(item) == ["attributes"]):
                text, config, problem = _check_item(item)
                self.add(scope, table, partition, text, config, at, attributes=shared, each=each, problem=problem)

    def add(
        self,
        scope: Scope,
        table: str,
        partition: str,
        text: str,
        config: Value,
        position: Position,
        *,
        attributes: YamlMap | None = None,
        each: EachDataset | None = None,
        problem: str = "",
    ) -> None:
        if len(self.suite.declarations) >= MAX_CHECKS:
            raise BadDocument(*position, f"More than {MAX_CHECKS} checks; split them over several datasets.")
        definition = definition_of(text, config)
        self.suite.declarations.append(
            Declaration(
                id=self.ids.next(f"{table}[{partition}]" if partition else table, definition),
                scope=scope,
                table=table,
                partition=partition,
                text=text,
                config=config,
                line=position[0],
                column=position[1],
                definition=definition,
                attributes=attributes,
                each=each,
                problem=CheckProblem(position[0], position[1], problem) if problem else None,
            )
        )

    def filter(self, name: str, position: Position, content: Value) -> None:
        found = _TABLE_HEADER.match(name)
        where = content.get("where") if isinstance(content, YamlMap) else None
        if found is None or not found.group(2):
            self.broken(f"filter {name}", position, "Expected `filter TABLE [name]:`.")
        elif not isinstance(where, str):
            self.broken(f"filter {name}", position, "Expected `where:` with a SQL condition under the filter.")
        else:
            self.suite.filters.append(Filter(found.group(1), found.group(2), where.strip()))

    def configuration(self, name: str, position: Position, content: Value) -> None:
        if _TABLE_HEADER.match(name) is None:
            self.broken(f"configurations for {name}", position, _bad_table(name))
        elif not isinstance(content, YamlMap):
            self.broken(f"configurations for {name}", position, "Expected entries such as `valid values for COLUMN: [a, b]`.")
        else:
            self.suite.configurations.append((name, content))

    def variables(self, position: Position, content: Value) -> None:
        if not isinstance(content, YamlMap):
            self.broken("variables", position, "Expected `name: value` entries.")
            return
        for name, at, value in content.entries:
            if isinstance(value, (YamlMap, YamlList)) or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
                self.broken(f"variables: {name}", at, "A variable has a name of letters, digits and _, and one plain value.")
            else:
                self.suite.variables[name] = "" if value is None else str(value)

    def finish(self, document: YamlMap) -> None:
        self.suite.compact = self.compact_at is not None
        if self.native_at and self.compact_at:
            later = max(self.native_at, self.compact_at)
            message = "Two forms are mixed: use either `checks for TABLE:` sections or one `checks:` section holding tables, not both."
            self.suite.problems.append(CheckProblem(*later, message))
        self.suite.problems.extend(_repeated(document))


def _check_item(item: Value) -> tuple[str, Value, str]:
    if isinstance(item, str) and item.strip():
        return item.strip(), None, ""
    if isinstance(item, YamlMap) and item:
        text = next(iter(item)).strip()
        extra = [key for key in item if key.strip() != text]
        if extra:
            return text, item[next(iter(item))], f"`{extra[0]}` stands beside the check; indent it below `{text}:`."
        return text, item[next(iter(item))], ""
    found = "nothing" if item is None else f"`{str(item)[:60]}`"
    return f"{'' if item is None else str(item)[:60]}", None, f"Expected a check such as `row_count > 0`, but found {found}."


def _repeated(value: Value) -> list[CheckProblem]:
    found: list[CheckProblem] = []
    if isinstance(value, YamlMap):
        found.extend(CheckProblem(*at, f"`{key[:60]}` is written twice; keep one.") for key, at in value.repeated)
        for _, _, item in value.entries:
            found.extend(_repeated(item))
    elif isinstance(value, YamlList):
        for item in value:
            found.extend(_repeated(item))
    return found


def _bad_table(name: str) -> str:
    return (
        f"`{name[:60]}` is not a table name: expected letters, digits, _ and $ (up to database.schema.table, "
        "an optional filter in [brackets]), other names in double quotes."
    )

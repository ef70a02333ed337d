"""What is wrong with a checks text, and what it declares, without any warehouse."""

from __future__ import annotations

import re
from typing import Any

from services.quality.domain.scan import CheckProblem, DeclaredCheck, ValidatedChecks
from services.quality.soda.datasource import QuietScan
from services.quality.soda.definitions import canonical_yaml
from services.quality.soda.document import BadDocument, YamlMap, read_document
from services.quality.soda.parse import ParsedCheck, column_of, parse_check, parse_column_setting
from services.quality.soda.suite import Declaration, Scope, Suite, read_suite
from services.quality.soda.variables import BadReference, check_form, resolve
from services.quality.soda.vocabulary import belongs_to_drift

_OTHER_SOURCE = re.compile(r"^row_count same as .+ in ([\w$-]+)\s*\Z")
_TARGET = re.compile(r"^(?:row_count same as|values in .+ exist in) ([\w$.\"]+)")
_STAND_IN = "1"
"""What an undeclared variable stands for while a text is checked: numbers and names both accept it well enough."""


def validate(checks_yaml: str, table: str = "") -> ValidatedChecks:
    """Parse a text as a scan would, and tell every problem with its line. `table` names the dataset's own table, for hints."""
    try:
        document = read_document(checks_yaml)
        suite = read_suite(document)
    except BadDocument as bad:
        return ValidatedChecks((bad.problem,), (), "", (), (), ())
    return _Validation(document, suite, table).result()


class _Validation:
    def __init__(self, document: YamlMap, suite: Suite, table: str) -> None:
        self._document = document
        self._suite = suite
        self._table = table
        self._values = {**dict.fromkeys(suite.references, _STAND_IN), "NOW": "2026-01-01T00:00:00+00:00", **suite.variables}
        self._scan = QuietScan(self._values)

    def result(self) -> ValidatedChecks:
        problems = list(self._suite.problems)
        declared = []
        for entry in self._suite.declarations:
            found = self._problems(entry)
            problems.extend(found)
            declared.append(_declared(entry))
        problems.extend(self._setting_problems())
        problems.extend(self._filter_problems())
        if not declared:
            problems.append(CheckProblem(0, 0, "No checks found: declare at least one, such as `- row_count > 0`."))
        problems.sort(key=lambda problem: (problem.line, problem.column))
        return ValidatedChecks(
            problems=tuple(problems),
            checks=tuple(declared),
            canonical_yaml="" if problems else canonical_yaml(self._document),
            data_sources=_unique(_OTHER_SOURCE, self._suite.declarations),
            tables=self._tables(),
            variables=tuple(sorted(self._suite.references - {entry.each.alias for entry in self._suite.declarations if entry.each})),
        )

    def _problems(self, entry: Declaration) -> tuple[CheckProblem, ...]:
        if entry.problem:
            return (entry.problem,)
        position = (entry.line, entry.column)
        try:
            check_form([entry.table, entry.text, entry.config])
            text, config = resolve(entry.text, self._values), resolve(entry.config, self._values)
        except BadReference as bad:
            return (CheckProblem(*position, bad.message),)
        if belongs_to_drift(str(text)):
            return ()
        parsed: ParsedCheck = parse_check(self._scan, entry.table, str(text), config, position, upper=True)
        return parsed.problems or self._source_problem(entry, parsed.cfg)

    def _source_problem(self, entry: Declaration, cfg: Any) -> tuple[CheckProblem, ...]:
        if entry.scope is not Scope.SOURCE or getattr(cfg, "query", None) or getattr(cfg, "metric_query", None):
            return ()
        place = f"`checks for {self._table or 'TABLE'}:`"
        message = f"A check of a top-level `checks:` list needs its own query; to check a table, write {place} above it."
        return (CheckProblem(entry.line, entry.column, message),)

    def _setting_problems(self) -> list[CheckProblem]:
        found = []
        for _, content in self._suite.configurations:
            for key, position, value in content.entries:
                setting, _, column = key.partition(" for ")
                if not column.strip():
                    found.append(CheckProblem(*position, f"Expected `<setting> for <column>`, but found `{key[:60]}`."))
                    continue
                try:
                    check_form(value)
                except BadReference as bad:
                    found.append(CheckProblem(*position, bad.message))
                    continue
                problem = parse_column_setting(self._scan, None, column, setting.strip(), resolve(value, self._values), position)[1]
                found.extend([problem] if problem else [])
        return found

    def _filter_problems(self) -> list[CheckProblem]:
        declared = {(entry.table.casefold(), entry.name) for entry in self._suite.filters}
        found: dict[tuple[str, str], CheckProblem] = {}
        for entry in self._suite.declarations:
            if entry.partition and (entry.table.casefold(), entry.partition) not in declared:
                message = f"Filter [{entry.partition}] of {entry.table} is not declared; add `filter {entry.table} [{entry.partition}]:`."
                found.setdefault((entry.table, entry.partition), CheckProblem(entry.line, entry.column, message))
        return list(found.values())

    def _tables(self) -> tuple[str, ...]:
        own = [entry.table for entry in self._suite.declarations if entry.scope is Scope.TABLE and entry.table]
        return tuple(dict.fromkeys([*own, *_unique(_TARGET, self._suite.declarations)]))


def _declared(entry: Declaration) -> DeclaredCheck:
    config = entry.config if isinstance(entry.config, dict) else {}
    name = config.get("name")
    return DeclaredCheck(
        id=entry.id,
        name=name.strip()[:500] if isinstance(name, str) and name.strip() else entry.text[:500],
        definition=entry.definition,
        table=entry.table,
        column=column_of(entry.text),
        line=entry.line,
    )


def _unique(pattern: re.Pattern[str], declarations: list[Declaration]) -> tuple[str, ...]:
    found = (pattern.match(entry.text) for entry in declarations)
    return tuple(dict.fromkeys(match.group(1) for match in found if match))

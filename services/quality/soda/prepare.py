"""Declared checks to Soda's check objects, each by itself: what is wrong with one never reaches another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.quality.domain.scan import CheckProblem
from services.quality.soda import guard, patches
from services.quality.soda.datasource import DEFAULT_SOURCE, QuietScan
from services.quality.soda.document import Value, YamlMap
from services.quality.soda.families import glob_matches
from services.quality.soda.names import Names
from services.quality.soda.parse import ParsedCheck, column_of, parse_check, parse_column_setting, threshold_of
from services.quality.soda.suite import Declaration, EachDataset, Scope, Suite
from services.quality.soda.tasks import strip_statement
from services.quality.soda.variables import BadReference, resolve, resolve_text
from services.quality.soda.vocabulary import belongs_to_drift

patches.apply()

from soda.execution.check.check import Check  # noqa: E402 (patches must come first)


@dataclass(frozen=True, slots=True)
class Prepared:
    """One declared check for one table, ready to be measured; `check` is None when `problem` says why not."""

    declared: Declaration
    table: str
    text: str
    config: Value
    parsed: ParsedCheck
    check: Any
    problem: str
    nothing: str = ""
    """Why there is nothing to evaluate, without anything being wrong."""

    @property
    def result_id(self) -> str:
        """The declaration's id; the checks of a `for each dataset` are told apart by their table."""
        return f"{self.declared.id}-{self.table.casefold()}"[:120] if self.declared.each is not None else self.declared.id

    @property
    def line(self) -> int:
        return 0 if self.declared.scope is Scope.EACH else self.declared.line


class Preparation:
    """Builds the checks of one scan."""

    def __init__(self, scan: QuietScan, suite: Suite, values: Mapping[str, str], names: Names, other_sources: Sequence[str]) -> None:
        self._scan = scan
        self._suite = suite
        self._values = values
        self._names = names
        self._other_sources = frozenset(other_sources)
        # Before the scan of the source is made: Soda looks the filter of a compared table up in this configuration.
        self._source_cfg = scan._sodacl_cfg.get_or_create_data_source_scan_cfgs(DEFAULT_SOURCE)
        self.source_scan = scan._get_or_create_data_source_scan(DEFAULT_SOURCE)
        self._filters = self._resolve_filters()

    def _resolve_filters(self) -> dict[tuple[str, str], str | BadReference]:
        found: dict[tuple[str, str], str | BadReference] = {}
        for declared in self._suite.filters:
            try:
                table = resolve_text(declared.table, self._values)
                found[self._names.fold(table), declared.name] = resolve_text(declared.where, self._values)
            except BadReference as bad:
                found[self._names.fold(declared.table), declared.name] = bad
        return found

    def prepare(self, declared: Declaration, tables: Sequence[str]) -> list[Prepared]:
        """The checks that one declaration stands for: one, or one for each of the `tables` that a `for each dataset` chooses."""
        if declared.each is None:
            return [self._one(declared, declared.table, self._values)]
        chosen = _chosen(declared.each, tables)
        if not chosen:
            patterns = ", ".join(declared.each.includes)
            return [_without(declared, declared.table, nothing=f"No table matches {patterns}.")]
        written = map(self._names.written, chosen)
        return [self._one(declared, table, {**self._values, declared.each.alias: table}) for table in written]

    def _one(self, declared: Declaration, table: str, values: Mapping[str, str]) -> Prepared:
        if declared.problem:
            return _without(declared, table, problem=declared.problem.message)
        drift = belongs_to_drift(declared.text)
        if drift:
            return _without(declared, table, problem=drift)
        try:
            # A table found in the catalogue may be named `T_${x}`: its name is data, not a text of the tenant.
            table = table if declared.each else resolve_text(table, values)
            text = resolve_text(declared.text, values)
            config = resolve(declared.config, values)
        except BadReference as bad:
            return _without(declared, table, problem=bad.message)
        parsed = parse_check(self._scan, table, text, config, (declared.line, declared.column), upper=self._names.upper)
        item = Prepared(declared, table, text, config, parsed, None, "".join(problem.message for problem in parsed.problems[:1]))
        if item.problem:
            return item
        try:
            return replace(item, check=self._create(item))
        except _Unusable as unusable:
            return replace(item, problem=str(unusable))
        except Exception:  # Soda's constructors raise what their own code stumbles over; only this check is at fault
            return replace(item, problem=f"`{text[:80]}` cannot be measured on this warehouse.")

    def _create(self, item: Prepared) -> Any:
        cfg = item.parsed.cfg
        _need_safe_queries(cfg, self._names)
        if item.declared.scope is Scope.SOURCE:
            _need_own_query(item)
            return Check.create(cfg, data_source_scan=self.source_scan)
        refusal = self._names.refusal(item.table)
        if refusal:
            raise _Unusable(refusal)
        self._need_known_source(cfg)
        partition = self._partition(item)
        column_name = cfg.get_column_name()
        column = partition.get_or_create_column_metrics(column_name).column if column_name else None
        if column is not None:
            column.column_configurations_cfg = self._column_settings(item.table, column_name)
        return Check.create(cfg, data_source_scan=self.source_scan, partition=partition, column=column)

    def _partition(self, item: Prepared) -> Any:
        name = item.declared.partition
        partition = self.source_scan.get_or_create_table(item.table).get_or_create_partition(name or None)
        if name:
            partition.sql_partition_filter = self._where(item.table, name)
        return partition

    def _need_known_source(self, cfg: Any) -> None:
        other = getattr(cfg, "other_data_source_name", None)
        if other and other not in self._other_sources:
            known = ", ".join(sorted(self._other_sources)) or "none"
            raise _Unusable(f"There is no connection named {other}; connections that checks may name: {known}.")
        name = getattr(cfg, "other_partition_name", None)
        if name:
            compared = self._source_cfg.get_or_create_table_cfg(cfg.other_table_name).create_partition("checks", name)
            compared.sql_partition_filter = self._where(cfg.other_table_name, name)

    def _where(self, table: str, name: str) -> str:
        where = self._filters.get((self._names.fold(table), name))
        if where is None:
            raise _Unusable(f"Filter [{name}] of {table} is not declared; add `filter {table} [{name}]:` with `where:`.")
        if isinstance(where, BadReference):
            raise _Unusable(f"In filter [{name}]: {where.message}")
        return where

    def _column_settings(self, table: str, column: str) -> Any:
        found = None
        for written, content in self._suite.configurations:
            if self._names.fold(written) != self._names.fold(table):
                continue
            for key, value in content.items():
                setting, _, name = key.partition(" for ")
                if self._names.fold(name.strip()) == self._names.fold(column):
                    found = self._add_setting(found, column, setting.strip(), value, content.positions[key])
        return found

    def _add_setting(self, found: Any, column: str, setting: str, value: Value, position: tuple[int, int]) -> Any:
        try:
            cfg, problem = parse_column_setting(self._scan, found, column, setting, resolve(value, self._values), position)
        except BadReference as bad:
            raise _Unusable(f"In the configuration of {column}: {bad.message}") from None
        if problem:
            raise _Unusable(f"In the configuration of {column}: {problem.message}")
        return cfg


class _Unusable(Exception):
    """A check that is well formed but cannot be built here."""


def _need_safe_queries(cfg: Any, names: Names) -> None:
    """A user's own query must be one SELECT by itself, before it is put in brackets."""
    for name in ("query", "metric_query", "failed_rows_query"):
        query = getattr(cfg, name, None)
        if query:
            try:
                guard.check(strip_statement(query), names.scope)
            except guard.Refused as refused:
                raise _Unusable(refused.message) from None


def _need_own_query(item: Prepared) -> None:
    cfg = item.parsed.cfg
    if getattr(cfg, "query", None) or getattr(cfg, "metric_query", None):
        return
    raise _Unusable(
        "A check of a top-level `checks:` list needs its own query (`fail query:`, `<name> query:`); write `checks for TABLE:`."
    )


def _without(declared: Declaration, table: str, *, problem: str = "", nothing: str = "") -> Prepared:
    parsed = ParsedCheck(None, (CheckProblem(declared.line, declared.column, problem),), column_of(declared.text), _threshold(declared))
    return Prepared(declared, table, declared.text, declared.config, parsed, None, problem, nothing)


def _threshold(declared: Declaration) -> str:
    try:
        return threshold_of(declared.text, declared.config if isinstance(declared.config, YamlMap) else None)
    except Exception:  # the text may be anything: it is only shown
        return ""


def _chosen(each: EachDataset, tables: Sequence[str]) -> list[str]:
    included = [name for pattern in each.includes for name in glob_matches(pattern, tables)]
    excluded = {name for pattern in each.excludes for name in glob_matches(pattern, tables)}
    return list(dict.fromkeys(name for name in included if name not in excluded))

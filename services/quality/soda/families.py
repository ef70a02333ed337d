"""The check families that are judged here rather than by Soda, because Soda judges them wrongly or by raising.

Schema checks fold names as the warehouse does; group checks count additions and deletions (Soda computes the total before
it looks at them, so `when groups change` never failed there), and no family runs a tenant's text as a Python regex.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.quality.domain.scan import CheckVerdict
from services.quality.soda.findings import Finding, by_thresholds, error, number, shown

_SHOWN = 5
"""Names listed in a message before it says how many more there are."""

Column = dict[str, str]


@dataclass(slots=True)
class SchemaBreaks:
    """What one zone of a schema check objects to, as parts of a sentence."""

    parts: list[str] = field(default_factory=list)

    def add(self, what: str, names: Sequence[str]) -> None:
        if names:
            self.parts.append(f"{what}: {listed(names)}")


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(name[:80] for name in names[:_SHOWN]) + more


def glob_matches(pattern: str, names: Iterable[str]) -> list[str]:
    """Names that a pattern with `*` or `%` covers, compared without case. Nothing else in it is special."""
    parts = [re.escape(part) for part in re.split(r"[*%]+", pattern)]
    matcher = re.compile(".*".join(parts), re.IGNORECASE | re.DOTALL)
    return [name for name in names if matcher.fullmatch(name)]


def judge_schema(
    cfg: Any, measured: list[Column], previous: list[Column] | None, fold: Callable[[str], str], same_type: Callable[[str, str], bool]
) -> Finding:
    """The verdict of a schema check; `fold` gives the stored form of a name that the check wrote."""
    for verdict, zone in ((CheckVerdict.FAIL, cfg.fail_validations), (CheckVerdict.WARN, cfg.warn_validations)):
        if zone is not None:
            breaks = _schema_breaks(zone, _Folded(measured, fold), previous, same_type)
            if breaks.parts:
                return Finding(verdict, message="; ".join(breaks.parts) + ".")
    return Finding(CheckVerdict.PASS)


class _Folded:
    """The measured columns, found by exact name first and then by the warehouse's folding."""

    def __init__(self, measured: list[Column], fold: Callable[[str], str]) -> None:
        self.columns = measured
        self.names = [column["name"] for column in measured]
        self._types = {column["name"]: column["type"] for column in measured}
        self._fold = fold

    def stored(self, written: str) -> str | None:
        for candidate in (written, self._fold(written)):
            if candidate in self._types:
                return candidate
        return None

    def type_of(self, stored: str) -> str:
        return self._types[stored]


def _schema_breaks(zone: Any, table: _Folded, previous: list[Column] | None, same_type: Callable[[str, str], bool]) -> SchemaBreaks:
    breaks = SchemaBreaks()
    types = zone.required_column_types or {}
    indexes = zone.required_column_indexes or {}
    required = [*(zone.required_column_names or ()), *types, *indexes]
    optional = {table.stored(name) or name for name in (zone.optional_columns or ())}
    missing = [name for name in dict.fromkeys(required) if table.stored(name) is None and name not in optional]
    breaks.add("missing columns", missing)
    breaks.add("forbidden columns", _forbidden(zone, table, required))
    breaks.add("wrong types", _wrong_types(types, table, same_type))
    breaks.add("wrong positions", _wrong_indexes(indexes, table))
    if previous is not None:
        _add_changes(breaks, zone, previous, table.columns)
    return breaks


def _forbidden(zone: Any, table: _Folded, required: list[str]) -> list[str]:
    found = [name for pattern in zone.forbidden_column_names or () for name in glob_matches(pattern.strip('"'), table.names)]
    if not zone.other_columns_allowed:
        allowed = {table.stored(name) for name in required} | {table.stored(name) for name in zone.optional_columns or ()}
        found += [name for name in table.names if name not in allowed]
    return list(dict.fromkeys(found))


def _wrong_types(types: dict[str, str | None], table: _Folded, same_type: Callable[[str, str], bool]) -> list[str]:
    wrong = []
    for name, expected in types.items():
        stored = table.stored(name)
        if stored is not None and expected is not None and not same_type(expected, table.type_of(stored)):
            wrong.append(f"{stored} is {table.type_of(stored)}, expected {expected}")
    return wrong


def _wrong_indexes(indexes: dict[str, int], table: _Folded) -> list[str]:
    wrong = []
    for name, expected in indexes.items():
        stored = table.stored(name)
        if stored is not None and table.names.index(stored) != expected:
            wrong.append(f"{stored} is at {table.names.index(stored)}, expected {expected}")
    return wrong


def _add_changes(breaks: SchemaBreaks, zone: Any, previous: list[Column], measured: list[Column]) -> None:
    before = {column["name"]: (at, column["type"]) for at, column in enumerate(previous)}
    now = {column["name"]: (at, column["type"]) for at, column in enumerate(measured)}
    both = [name for name in now if name in before]
    if zone.is_column_addition_forbidden:
        breaks.add("added columns", [name for name in now if name not in before])
    if zone.is_column_deletion_forbidden:
        breaks.add("deleted columns", [name for name in before if name not in now])
    if zone.is_column_type_change_forbidden:
        changed = [name for name in both if before[name][1] != now[name][1]]
        breaks.add("changed types", [f"{name} from {before[name][1]} to {now[name][1]}" for name in changed])
    if zone.is_column_index_change_forbidden:
        moved = [name for name in both if before[name][0] != now[name][0]]
        breaks.add("moved columns", [f"{name} from {before[name][0]} to {now[name][0]}" for name in moved])


def judge_groups(cfg: Any, measured: list[str], previous: list[str] | None) -> Finding:
    """The verdict of a group evolution check."""
    for verdict, zone in ((CheckVerdict.FAIL, cfg.fail_validations), (CheckVerdict.WARN, cfg.warn_validations)):
        if zone is not None:
            breaks = SchemaBreaks()
            breaks.add("missing groups", [name for name in zone.required_group_names or () if name not in measured])
            forbidden = [name for pattern in zone.forbidden_group_names or () for name in glob_matches(pattern, measured)]
            breaks.add("forbidden groups", list(dict.fromkeys(forbidden)))
            if previous is not None and zone.is_group_addition_forbidden:
                breaks.add("added groups", [name for name in measured if name not in previous])
            if previous is not None and zone.is_group_deletion_forbidden:
                breaks.add("deleted groups", [name for name in previous if name not in measured])
            if breaks.parts:
                return Finding(verdict, message="; ".join(breaks.parts) + ".")
    return Finding(CheckVerdict.PASS)


def judge_group_by(cfg: Any, groups: list[dict[str, object]]) -> Finding:
    """The verdict of a `group by` check: the worst of its checks over all groups; the value counts groups not passing."""
    if len(groups) > (cfg.group_limit or len(groups)):
        return error(f"The query gives {len(groups)} groups, more than the check's group_limit of {cfg.group_limit}.")
    if not groups:
        return Finding(CheckVerdict.NOT_EVALUATED, message="The query gave no groups.")
    folded = [{name.casefold(): value for name, value in group.items()} for group in groups]
    wanted = [str(field).casefold() for field in cfg.fields] + [inner.metric_name.casefold() for inner in cfg.check_cfgs]
    absent = [name for name in wanted if name not in folded[0]]
    if absent:
        return error(f"The query gives no column {absent[0]}; it gives {', '.join(groups[0])}.")
    return _worst_group(cfg, folded)


def _worst_group(cfg: Any, groups: list[dict[str, object]]) -> Finding:
    worst, bad = CheckVerdict.PASS, list[str]()
    for group in groups:
        label = ", ".join(f"{field}={shown(group[str(field).casefold()])}" for field in cfg.fields)
        for inner in cfg.check_cfgs:
            value = number(group[inner.metric_name.casefold()])
            verdict = CheckVerdict.NOT_EVALUATED if value is None else by_thresholds(inner, value)
            if verdict is not CheckVerdict.PASS:
                bad.append(f"[{label}] {inner.metric_name} is {'not a number' if value is None else shown(value)} ({inner.source_line})")
            worst = max(worst, verdict, key=_SEVERITY.index)
    failing = len({text.split("]")[0] for text in bad})
    message = f"{failing} of {len(groups)} groups do not pass: {listed(bad)}." if bad else ""
    return Finding(worst, float(failing), message=message)


_SEVERITY = [CheckVerdict.PASS, CheckVerdict.NOT_EVALUATED, CheckVerdict.WARN, CheckVerdict.FAIL, CheckVerdict.ERROR]

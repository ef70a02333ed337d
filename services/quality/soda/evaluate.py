"""From measured metrics to the finding of one check."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, time, timedelta
from typing import Any

from services.quality.domain.scan import CheckVerdict
from services.quality.soda import families
from services.quality.soda.findings import Finding, error, judged, not_evaluated, number, shown
from services.quality.soda.history import History
from services.quality.soda.names import Names
from services.quality.soda.prepare import Prepared
from services.quality.soda.statements import Measured

_ROW_METRICS = ("missing_count", "invalid_count", "duplicate_count", "missing_percent", "invalid_percent", "duplicate_percent")


def evaluate(item: Prepared, measured: Measured, history: History, names: Names) -> Finding:
    """The finding of a check whose metrics were measured without failure."""
    judge = _JUDGES.get(type(item.check).__name__)
    if judge is None:
        return error("This kind of check is not supported.")
    return judge(_Judgement(item, history, names))


class _Judgement:
    """One check being judged."""

    def __init__(self, item: Prepared, history: History, names: Names) -> None:
        self.item = item
        self.check: Any = item.check
        self.cfg: Any = item.parsed.cfg
        self.history = history
        self.names = names

    @property
    def label(self) -> str:
        text = self.item.text
        threshold = self.item.parsed.threshold
        return text[: -len(threshold)].strip() if threshold and text.endswith(threshold) else text

    def only_metric(self) -> Any:
        return next(iter(self.check.metrics.values()))

    def by_number(self, value: object, failed_rows: int | None = None) -> Finding:
        if value is None:
            return not_evaluated(f"{self.label} has no value: the rows looked at hold none to compute it from.")
        if isinstance(value, float) and not math.isfinite(value):
            return not_evaluated(f"{self.label} is {value}, which no threshold can judge.")
        measured = number(value)
        if measured is None:
            return error(f"{self.label} gives {_kind(value)}, which is not a number{self._format_hint()}.")
        return judged(self.cfg, measured, self.label, self.item.parsed.threshold, failed_rows)

    def _format_hint(self) -> str:
        validity = getattr(self.cfg, "missing_and_valid_cfg", None)
        return "; numeric checks on text columns need a numeric `valid format`" if validity is None else ""


def _metric(judgement: _Judgement) -> Finding:
    metric = judgement.only_metric()
    parts: dict[str, Any] = metric.formula_values or {}
    if parts and not parts.get("row_count"):
        return not_evaluated(f"{judgement.label} has no value: there are no rows.")
    count = next((value for name, value in parts.items() if name != "row_count"), metric.value)
    rows = int(count) if metric.name in _ROW_METRICS and isinstance(count, int) else None
    return judgement.by_number(metric.value, rows)


def _change(judgement: _Judgement) -> Finding:
    value = number(judgement.only_metric().value)
    if value is None:
        return not_evaluated(f"{judgement.label} has no value: the rows looked at hold none to compute it from.")
    earlier = judgement.history.aggregate(judgement.item, judgement.cfg.change_over_time_cfg)
    if earlier is None:
        return not_evaluated("There is no earlier measurement to compare with yet; this one is kept as history.")
    change = value - earlier
    if judgement.cfg.change_over_time_cfg.percent:
        if earlier == 0 and change != 0:
            return not_evaluated(f"The earlier value is 0, so the change to {shown(value)} has no percentage.")
        change = change / earlier * 100 if change else 0.0
    finding = judged(judgement.cfg, change, judgement.label, judgement.item.parsed.threshold)
    message = f"{finding.message[:-1]} ({shown(value)} now, {shown(earlier)} before)." if finding.message else ""
    return Finding(finding.verdict, finding.value, None, message)


def _freshness(judgement: _Judgement) -> Finding:
    check = judgement.check
    if judgement.only_metric().value is None:
        return Finding(
            CheckVerdict.FAIL, message=f"{judgement.cfg.column_name} holds no time at all: the rows looked at are none or empty."
        )
    check.logs.reset()
    check.evaluate(check.metrics, {})
    age = (check.freshness_values or {}).get("freshness")
    if check.outcome is None or not isinstance(age, timedelta):
        return error(_freshness_problem(judgement))
    verdict = CheckVerdict(check.outcome.name)
    message = (
        ""
        if verdict is CheckVerdict.PASS
        else f"The newest {judgement.cfg.column_name} is {_age(age)} old, expected {judgement.item.parsed.threshold}."
    )
    return Finding(verdict, age.total_seconds(), message=message)


def _freshness_problem(judgement: _Judgement) -> str:
    variable = judgement.cfg.variable_name
    if judgement.check.data_source_scan.scan.get_variable(variable) is None:
        return f"Variable `{variable}` is not declared, so freshness has no time to compare with."
    value = judgement.only_metric().value
    return f"Freshness needs a date or time column and a time in ISO 8601; {judgement.cfg.column_name} holds {_kind(value)}."


def _kind(value: object) -> str:
    """What a value is, without showing it: it stands in a row, and rows are only shown where the dataset allows it."""
    return "a text" if isinstance(value, str) else "a date or time" if isinstance(value, date | time) else f"a {type(value).__name__}"


def _age(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    parts = [(days, "d"), (hours, "h"), (minutes % 60, "m")]
    return " ".join(f"{count}{unit}" for count, unit in parts if count) or "0m"


def _rows(judgement: _Judgement) -> Finding:
    count = int(judgement.only_metric().value)
    if judgement.cfg.fail_threshold_cfg or judgement.cfg.warn_threshold_cfg:
        return judged(judgement.cfg, count, "The number of failed rows", judgement.item.parsed.threshold, count)
    verdict = CheckVerdict.FAIL if count else CheckVerdict.PASS
    rows = "row fails" if count == 1 else "rows fail"
    return Finding(verdict, float(count), count, f"{count} {rows} the condition." if count else "")


def _reference(judgement: _Judgement) -> Finding:
    count = int(judgement.only_metric().value)
    cfg = judgement.cfg
    columns, target = ", ".join(cfg.source_column_names), f"{cfg.target_table_name} ({', '.join(cfg.target_column_names)})"
    verdict = CheckVerdict.FAIL if count else CheckVerdict.PASS
    what = "also stand in" if cfg.is_reverse else "do not exist in"
    return Finding(verdict, float(count), count, f"{count} values of {columns} {what} {target}." if count else "")


def _comparison(judgement: _Judgement) -> Finding:
    rows, other = judgement.check.metrics["row_count"].value, judgement.check.metrics["other_row_count"].value
    difference = float(rows - other)
    verdict = CheckVerdict.FAIL if difference else CheckVerdict.PASS
    name = judgement.cfg.other_table_name
    return Finding(verdict, difference, message=f"{rows} rows here, {other} rows in {name}." if difference else "")


def _schema(judgement: _Judgement) -> Finding:
    previous = None
    if judgement.cfg.has_change_validations():
        previous = judgement.history.latest(judgement.item)
        if previous is None and not _has_static_schema_rules(judgement.cfg):
            return not_evaluated("There is no earlier schema to compare with yet; this one is kept as history.")
    same_type: Callable[[str, str], bool] = judgement.check.data_source_scan.data_source.is_same_type_in_schema_check
    return families.judge_schema(judgement.cfg, judgement.only_metric().value, previous, judgement.names.fold, same_type)


def _has_static_schema_rules(cfg: Any) -> bool:
    names = ("required_column_names", "required_column_types", "required_column_indexes", "forbidden_column_names")
    return any(getattr(zone, name) for zone in (cfg.warn_validations, cfg.fail_validations) if zone for name in names)


def _groups(judgement: _Judgement) -> Finding:
    previous = None
    if judgement.cfg.has_change_validations():
        previous = judgement.history.latest(judgement.item)
        static = any(zone.required_group_names or zone.forbidden_group_names for zone in _zones(judgement.cfg))
        if previous is None and not static:
            return not_evaluated("There are no earlier groups to compare with yet; these are kept as history.")
    return families.judge_groups(judgement.cfg, judgement.only_metric().value, previous)


def _zones(cfg: Any) -> list[Any]:
    return [zone for zone in (cfg.warn_validations, cfg.fail_validations) if zone]


def _group_by(judgement: _Judgement) -> Finding:
    return families.judge_group_by(judgement.cfg, judgement.only_metric().value)


_JUDGES: dict[str, Callable[[_Judgement], Finding]] = {
    "MetricCheck": _metric,
    "ChangeOverTimeMetricCheck": _change,
    "FreshnessCheck": _freshness,
    "UserDefinedFailedRowsCheck": _rows,
    "UserDefinedFailedRowsExpressionCheck": _rows,
    "ReferenceCheck": _reference,
    "RowCountComparisonCheck": _comparison,
    "SchemaCheck": _schema,
    "GroupEvolutionCheck": _groups,
    "GroupByCheck": _group_by,
}

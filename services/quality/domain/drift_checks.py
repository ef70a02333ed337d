"""Checks of SodaCL that only a dataset's history can answer: read from their definitions, for the drift service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from services.quality.domain.drift import AnomalyQuestion, DistributionQuestion, DriftQuestion
from services.quality.domain.scan import CheckResult

METRICS = (
    "row_count",
    "missing_count",
    "missing_percent",
    "avg",
    "min",
    "max",
    "stddev",
    "avg_length",
    "min_length",
    "max_length",
)
"""What profiles hold."""
METHODS = ("ks", "chi_square", "psi", "swd", "semd")
_COLUMN = r'("[^"\n]{1,255}"|[^\s(),"]{1,255})'
_ANOMALY = re.compile(rf"anomaly (?:detection|score) for (\w+)(?:\s*\(\s*{_COLUMN}\s*\))?\s*(?:<\s*[\w.]+)?\s*\Z")
_DISTRIBUTION = re.compile(rf"distribution_difference\s*\(\s*{_COLUMN}\s*(?:,[^()]*)?\)\s*(?:(<=|>=|<|>)\s*([\d.]+))?\s*\Z")
_DRIFT = re.compile(r"(?:anomaly (?:detection|score) for |distribution_difference\s*\()")
_DEFAULT_THRESHOLD = 0.05


class NotAnswerable(Exception):
    """The check is the drift engine's, and asks for what it does not know; the text says what."""


def belongs_to_drift(definition: str) -> bool:
    """Whether a check is one that the history answers."""
    return _DRIFT.match(definition) is not None or _DRIFT.match(definition.strip("\"'? ")) is not None


def question_of(check: CheckResult, table: str) -> DriftQuestion:
    """What the check asks. `table` is the dataset's own, the only one with a history. Raises NotAnswerable."""
    if check.table.strip('"').rpartition(".")[2].casefold() != table.casefold():
        raise NotAnswerable(f"Only the dataset's own table {table} has a history; register {check.table} as a dataset to check it so.")
    text, settings = _parts(check.definition)
    if text.startswith("anomaly"):
        return DriftQuestion(check.id, _anomaly(text))
    return DriftQuestion(check.id, _distribution(text, settings))


def _parts(definition: str) -> tuple[str, Mapping[str, Any]]:
    """The check's own line, and its settings."""
    if "\n" not in definition:
        return definition.strip(), {}
    try:
        content = yaml.safe_load(definition)
    except yaml.YAMLError as error:
        raise NotAnswerable("The settings of the check cannot be read.") from error
    if not isinstance(content, dict) or len(content) != 1:
        raise NotAnswerable("The settings of the check cannot be read.")
    text, settings = next(iter(content.items()))
    return str(text).strip(), settings if isinstance(settings, dict) else {}


def _anomaly(text: str) -> AnomalyQuestion:
    found = _ANOMALY.match(text)
    if found is None:
        raise NotAnswerable(f"`anomaly detection for <metric>` is expected, with one of {', '.join(METRICS)}.")
    metric, column = found.group(1), (found.group(2) or "").strip('"')
    if metric not in METRICS:
        raise NotAnswerable(f"The history has no metric {metric}; it has {', '.join(METRICS)}.")
    if (metric == "row_count") == bool(column):
        raise NotAnswerable(f"`{metric}` {'takes no column' if column else 'needs a column'} here.")
    return AnomalyQuestion(metric, column)


def _distribution(text: str, settings: Mapping[str, Any]) -> DistributionQuestion:
    found = _DISTRIBUTION.match(text)
    if found is None:
        raise NotAnswerable("`distribution_difference(<column>)` is expected, with a comparison such as `> 0.05` or `< 0.1`.")
    method = str(settings.get("method", "") or "").lower()
    if method and method not in METHODS:
        raise NotAnswerable(f"`method` must be one of {', '.join(METHODS)}.")
    try:
        threshold = float(found.group(3) or _DEFAULT_THRESHOLD)
    except ValueError as error:
        raise NotAnswerable("The threshold must be a number.") from error
    return DistributionQuestion(found.group(1).strip('"'), method, found.group(2) or "", threshold)

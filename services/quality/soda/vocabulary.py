"""The words of SodaCL that are understood here, and what stands in the texts of checks."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

COLUMN_METRICS = frozenset(
    {
        "missing_count", "missing_percent", "invalid_count", "invalid_percent", "valid_count", "duplicate_count", "duplicate_percent",
        "min", "max", "avg", "sum", "min_length", "max_length", "avg_length", "stddev", "stddev_pop", "stddev_samp",
        "variance", "var_pop", "var_samp", "percentile", "percentile_disc", "freshness",
    }
)  # fmt: skip
"""Metrics of a column. All but duplicates, percentiles and freshness take exactly one."""
MANY_ARGUMENTS = frozenset({"duplicate_count", "duplicate_percent", "percentile", "percentile_disc", "freshness"})
METRICS = COLUMN_METRICS | {"row_count"}
OTHER_CHECKS = frozenset({"schema", "failed rows", "group by", "group evolution"})

VALIDITY_LISTS = frozenset({"valid values", "invalid values", "missing values"})
VALIDITY_TEXTS = frozenset({"valid format", "invalid format", "missing format", "valid regex", "invalid regex", "missing regex"})
VALIDITY_NUMBERS = frozenset({"valid min", "valid max", "valid min length", "valid max length", "valid length"})
VALIDITY = VALIDITY_LISTS | VALIDITY_TEXTS | VALIDITY_NUMBERS | {"include null"}

_ANY_CHECK = frozenset({"name", "identity", "attributes", "warn", "fail"})
METRIC_KEYS = _ANY_CHECK | VALIDITY | {"filter", "samples limit", "failed rows query"}
KEYS_OF = {
    "schema": _ANY_CHECK,
    "failed rows": _ANY_CHECK | {"fail condition", "fail query", "samples limit"},
    "group by": _ANY_CHECK | {"query", "fields", "checks", "group_limit"},
    "group evolution": _ANY_CHECK | {"query"},
    "row_count same as": frozenset({"name", "identity", "attributes"}),
    "values in": frozenset({"name", "identity", "attributes", "samples limit"}),
}

_DRIFT = re.compile(r"(anomaly (?:score|detection) for )|(distribution_difference\s*\()")
_UNIT_ARGUMENT = re.compile(r"(?<=[(,])(\s*)([dhm])(?=\s*[,)])")


def belongs_to_drift(text: str) -> str:
    """The sentence to answer when a check is the drift engine's; empty for others."""
    found = _DRIFT.match(text)
    if found is None:
        return ""
    what = "distributions are compared" if found.group(2) else "anomalies of a metric over time are found"
    return f"This check belongs to drift detection: {what} by the dataset's drift settings (`drift_yaml`), not by a quality run."


def family_of(text: str) -> str:
    """The kind of a check by its first words: a key of KEYS_OF, or `metric`."""
    return next((family for family in KEYS_OF if text == family or text.startswith(family + " ")), "metric")


def quote_unit_columns(text: str, *, upper: bool) -> str:
    """Columns named d, h or m are time units to Soda's lexer; in quotes they are columns again."""

    def quoted(found: re.Match[str]) -> str:
        name = found.group(2).upper() if upper else found.group(2)
        return f'{found.group(1)}"{name}"'

    return _UNIT_ARGUMENT.sub(quoted, text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean x?` for the nearest known word, compared without case; empty when none is near."""
    by_fold = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.6)
    return f"; did you mean {by_fold[near[0]]}?" if near else ""

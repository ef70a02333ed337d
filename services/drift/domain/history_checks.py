"""Checks of SodaCL that only a dataset's history can answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.drift.domain.profile import ColumnKind, ColumnProfile, Profile


class Method(StrEnum):
    """Measures of SodaCL for how far two distributions are apart."""

    KS = "ks"
    CHI_SQUARE = "chi_square"
    PSI = "psi"
    SWD = "swd"
    SEMD = "semd"

    @property
    def is_p_value(self) -> bool:
        """Whether small means far apart."""
        return self in (Method.KS, Method.CHI_SQUARE)


class CheckVerdict(StrEnum):
    """What came of a check."""

    PASS = "PASS"  # noqa: S105 -- a verdict
    WARN = "WARN"
    FAIL = "FAIL"
    ERROR = "ERROR"
    NOT_EVALUATED = "NOT_EVALUATED"


@dataclass(frozen=True, slots=True)
class AnomalyCheck:
    """Whether a metric is where its own past says that it should be."""

    id: str
    metric: str
    column: str


@dataclass(frozen=True, slots=True)
class DistributionCheck:
    """How far a column is from its baseline."""

    id: str
    column: str
    method: Method | None
    """None: `ks` for numbers and times, `chi_square` for everything else."""
    comparison: str
    """`<`, `<=`, `>` or `>=`; empty: a p-value must be above, a distance below."""
    threshold: float


HistoryCheck = AnomalyCheck | DistributionCheck


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """What came of a check, in the shape of a check result."""

    id: str
    verdict: CheckVerdict
    measured_value: float | None = None
    threshold: str = ""
    message: str = ""


def _percent(column: ColumnProfile, rows: int) -> float | None:
    return 100 * column.nulls / rows if rows else None


_COLUMN_METRICS: Mapping[str, Callable[[ColumnProfile, int], float | None]] = {
    "missing_count": lambda column, rows: float(column.nulls),
    "missing_percent": _percent,
    "avg": lambda column, rows: column.mean if column.kind is ColumnKind.NUMBER else None,
    "min": lambda column, rows: column.low if column.kind is ColumnKind.NUMBER else None,
    "max": lambda column, rows: column.high if column.kind is ColumnKind.NUMBER else None,
    "stddev": lambda column, rows: column.stddev if column.kind is ColumnKind.NUMBER else None,
    "avg_length": lambda column, rows: column.mean if column.kind is ColumnKind.TEXT else None,
    "min_length": lambda column, rows: column.low if column.kind is ColumnKind.TEXT else None,
    "max_length": lambda column, rows: column.high if column.kind is ColumnKind.TEXT else None,
}
METRICS = ("row_count", *_COLUMN_METRICS)


def metric_of(profile: Profile, metric: str, column: str) -> float | None:
    """The metric of one partition; None when it has no value there. Raises KeyError for a metric that is not in a profile."""
    if metric == "row_count":
        return profile.rows / profile.sampled
    read = _COLUMN_METRICS[metric]
    found = column_of(profile, column)
    if found is None:
        return None
    value = read(found, profile.rows)
    return None if value is None else value / profile.sampled if metric == "missing_count" else value


def column_of(profile: Profile, written: str) -> ColumnProfile | None:
    """The column of that name: exactly, else whatever the case, as long as that is one only."""
    exact = profile.column(written)
    alike = [column for column in profile.columns if column.name.casefold() == written.casefold()]
    return exact or (alike[0] if len(alike) == 1 else None)

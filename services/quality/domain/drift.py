"""What drift detection found, as far as a run needs it: the findings themselves belong to the drift service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class DriftKind(StrEnum):
    """What kind of thing changed."""

    SCHEMA = "SCHEMA"
    VOLUME = "VOLUME"
    DISTRIBUTION = "DISTRIBUTION"


class DriftSeverity(StrEnum):
    """How much it matters."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True, slots=True)
class DriftFinding:
    """One thing that changed in a dataset, against its baseline."""

    id: str
    dataset_id: str
    kind: DriftKind
    change: str
    """Short name of the change, e.g. `column_renamed`."""
    columns: tuple[str, ...]
    message: str
    severity: DriftSeverity
    confidence: float
    """0 to 1."""
    baseline_value: float | None
    current_value: float | None
    since_time: datetime | None


class DriftFailed(Exception):
    """Drift could not be evaluated for a reason that the dataset's owner can mend; `message` says which."""

    def __init__(self, reason: str, message: str, *, retry: bool = False) -> None:
        """`reason` is an `ErrorReason`; `retry` says whether it may work in a moment."""
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry = retry


def not_evaluated(finding_id: str, dataset_id: str, failed: DriftFailed) -> DriftFinding:
    """The finding that stands for an evaluation that could not be made beside the checks of its run."""
    message = f"Drift could not be evaluated: {failed.message}"
    kind, severity = DriftKind.SCHEMA, DriftSeverity.WARNING
    return DriftFinding(finding_id, dataset_id, kind, "not_evaluated", (), message, severity, 1.0, None, None, None)


@dataclass(frozen=True, slots=True)
class AnomalyQuestion:
    """Whether a metric is where its own past says that it should be."""

    metric: str
    column: str
    """Empty for `row_count`."""


@dataclass(frozen=True, slots=True)
class DistributionQuestion:
    """How far a column is from its baseline."""

    column: str
    method: str
    """`ks`, `chi_square`, `psi`, `swd` or `semd`; empty when the column decides."""
    comparison: str
    """`<`, `<=`, `>`, `>=`; empty when the method decides."""
    threshold: float


@dataclass(frozen=True, slots=True)
class DriftQuestion:
    """A check of SodaCL that only a dataset's history can answer."""

    id: str
    asked: AnomalyQuestion | DistributionQuestion


@dataclass(frozen=True, slots=True)
class DriftAnswer:
    """What came of such a check."""

    verdict: str
    """Name of a `CheckVerdict`."""
    measured_value: float | None
    threshold: str
    message: str


DriftAnswers = Mapping[str, DriftAnswer]
"""By the id of the question."""

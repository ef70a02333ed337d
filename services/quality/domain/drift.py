"""What drift detection found, as far as a run needs it: the findings themselves belong to the drift service."""

from __future__ import annotations

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

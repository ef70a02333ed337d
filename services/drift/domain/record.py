"""What is kept of a dataset: profiles with their judgement, findings, feedback, baselines, evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from services.drift.domain.baseline import Mode
from services.drift.domain.profile import Profile


class DriftKind(StrEnum):
    """What kind of thing changed."""

    SCHEMA = "SCHEMA"
    VOLUME = "VOLUME"
    DISTRIBUTION = "DISTRIBUTION"


class Severity(StrEnum):
    """How much it matters."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


class Standing(StrEnum):
    """How a partition was judged."""

    NORMAL = "NORMAL"
    DRIFTED = "DRIFTED"
    ACCEPTED = "ACCEPTED"
    INCOMPLETE = "INCOMPLETE"


class FeedbackVerdict(StrEnum):
    """What a person says that a finding was."""

    EXPECTED = "EXPECTED"
    FALSE = "FALSE"
    REAL = "REAL"


@dataclass(frozen=True, slots=True)
class HistogramPlot:
    """Two histograms over the same inner edges: n edges make n + 1 intervals."""

    column: str
    edges: tuple[float, ...]
    baseline_shares: tuple[float, ...]
    current_shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CategoriesPlot:
    """Two lists of shares over the same values."""

    column: str
    values: tuple[str, ...]
    baseline_shares: tuple[float, ...]
    current_shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One partition of a series; the expectation is None while there was too little history."""

    time: datetime
    value: float
    expected: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class SeriesPlot:
    """A figure over time, oldest first. An empty column stands for the table."""

    column: str
    points: tuple[SeriesPoint, ...]


Plot = HistogramPlot | CategoriesPlot | SeriesPlot


@dataclass(frozen=True, slots=True)
class Band:
    """How many rows a partition was expected to have."""

    expected: float
    low: float
    high: float
    smallest_change: float
    """Smallest change that would be noticed, as a share of `expected`."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that changed, as judged: before it is kept and has an id."""

    kind: DriftKind
    change: str
    """Short name of the change, e.g. `column_renamed`."""
    columns: tuple[str, ...]
    """In order of contribution; empty when the change is about the table."""
    message: str
    severity: Severity
    confidence: float
    """0 to 1."""
    baseline_value: float | None = None
    current_value: float | None = None
    since: datetime | None = None
    plots: tuple[Plot, ...] = ()
    partition: str = ""
    """Name of the judged partition, as the profile has it."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What somebody said about a finding."""

    verdict: FeedbackVerdict
    comment: str
    author: str
    create_time: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding as it is kept."""

    id: str
    dataset_id: str
    found: Found
    partition_time: datetime
    create_time: datetime
    profile_id: str = ""
    """Empty when the table could not be profiled at all."""
    run_id: str = ""
    """Empty when a backfill found it."""
    baseline_version: int = 0
    feedback: Feedback | None = None


@dataclass(frozen=True, slots=True)
class KeptProfile:
    """A profile with its judgement."""

    id: str
    dataset_id: str
    layout: str
    """`WatchSettings.layout`: only profiles of the same layout are comparable."""
    period: datetime
    """UTC instant at which its period (day, hour …) begins; a dataset has one profile a period and layout."""
    time: datetime
    """UTC instant of the partition's start, or of the profiling of a whole table."""
    profile: Profile
    standing: Standing
    create_time: datetime
    band: Band | None = None
    backfilled: bool = False
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class ColumnMemo:
    """What was decided about a column when it was first profiled, so that later profiles are comparable."""

    edges: tuple[float, ...] = ()
    top: bool = True
    """Whether frequent values are worth their sort."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided about the newest period: an acceptance, or what one finding was."""

    columns: frozenset[str]
    """Accepted ones, empty for all with the number of rows; or those of the finding."""
    mode: Mode | None = None
    """Of an acceptance."""
    verdict: FeedbackVerdict | None = None
    """Of feedback."""
    kind: DriftKind | None = None
    change: str = ""
    """With `kind`: the finding that the feedback is about."""

    def covers(self, found: Found) -> bool:
        """Whether a finding of the period needs not be told any more."""
        if self.verdict is None:
            return not self.columns or (bool(found.columns) and self.columns.issuperset(found.columns))
        same = (found.kind, found.change) == (self.kind, self.change) and frozenset(found.columns) == self.columns
        return same and self.verdict is not FeedbackVerdict.REAL


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known of a dataset between evaluations."""

    dataset_id: str
    layout: str
    state: str
    """The engine's, as text that only it reads."""
    before: str
    """The state before the newest period, from which that one can be judged again."""
    period: datetime
    """The newest period that was judged, UTC."""
    baseline_version: int
    memos: Mapping[str, ColumnMemo] = field(default_factory=dict)
    exact: bool = True
    """Whether distinct values are counted exactly: decided once, for figures must be comparable."""
    decisions: tuple[Decision, ...] = ()
    """What was accepted since `before`: it holds when the newest period is judged again."""
    lag: int = 0
    """Periods that the table's newest data was behind the clock when it was first seen."""
    revision: int = 0
    """Guards against lost updates; 0 before it is first stored."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one run found."""

    run_id: str
    dataset_id: str
    findings: tuple[Finding, ...]
    partitions_judged: int
    complete: bool
    create_time: datetime


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings a list answers; None means any."""

    dataset_id: str | None = None
    kind: DriftKind | None = None
    severity: Severity | None = None
    from_time: datetime | None = None
    to_time: datetime | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """Position in a newest-first list."""

    time: datetime
    id: str


def worst_first(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings by severity, then by confidence."""
    order = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}
    return tuple(sorted(findings, key=lambda finding: (order[finding.found.severity], -finding.found.confidence)))

"""What a scan is asked to do and what it answers: the contract between the use cases and the SodaCL engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from services.quality.domain.connection import ConnectionSpec


class CheckVerdict(StrEnum):
    """The verdict of one declared check."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    WARN = "WARN"
    FAIL = "FAIL"
    ERROR = "ERROR"
    """The check could not be run: a typo, a missing column or table, a SQL error."""
    NOT_EVALUATED = "NOT_EVALUATED"
    """The check ran and found nothing to judge: an aggregate of no rows, NaN, a first measurement without history."""


@dataclass(frozen=True, slots=True)
class SamplePolicy:
    """Whether rows that fail a check may be kept, and what of them."""

    limit: int = 0
    """Rows kept per check, 0 (none, the default) to 100."""
    excluded_columns: tuple[str, ...] = ()
    """Columns whose values are never fetched, compared without case."""


@dataclass(frozen=True, slots=True)
class FailedRows:
    """A few rows that failed a check, as text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One declared check and its verdict. N declared checks give N of these, in the order of the YAML."""

    id: str
    """Stable across runs of the same definition: a hash of table, definition and its occurrence number."""
    name: str
    definition: str
    """The check as canonical SodaCL, as the user would recognise it."""
    table: str
    column: str
    """Empty when the check is about no single column."""
    verdict: CheckVerdict
    measured_value: float | None
    """None when nothing numeric was measured (schema checks, errors)."""
    threshold: str
    """The condition that the value was held against, in SodaCL words, e.g. `= 0` or `warn: > 1 %, fail: > 5 %`."""
    failed_rows_count: int | None
    """Rows that broke the rule, where the check counts rows; None where it does not."""
    message: str
    """One sentence a user understands: why it failed, or why there is no verdict. Empty on PASS."""
    query: str
    """The SQL that measured it, empty when none ran."""
    line: int
    """1-based line of the check in the YAML as written; 0 when it came from `for each dataset`."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    samples: FailedRows | None = None


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """One scan: which checks, where, and within what limits."""

    tenant_id: str
    dataset_id: str
    run_id: str
    attempt: int
    connection_id: str
    connection_revision: str
    """Changes whenever host, user or secret change: pooled warehouse connections are kept per (connection, revision)."""
    connection: ConnectionSpec
    database: str
    schema: str
    table: str
    checks_yaml: str
    """As the user wrote it, in either form."""
    variables: Mapping[str, str] = field(default_factory=dict)
    samples: SamplePolicy = SamplePolicy()
    other_sources: Mapping[str, ConnectionSpec] = field(default_factory=dict)
    """Connections of the same tenant that the checks name (`row_count same as t in other_source`), by name."""
    deadline_seconds: float = 300.0
    statement_timeout_seconds: float = 120.0
    data_time: datetime | None = None
    """The time that history and `NOW` refer to; the current time when absent."""


class ScanFailure(StrEnum):
    """Why a whole scan gave no results. Infrastructure failures are retried, the rest is the user's to mend."""

    WAREHOUSE_UNREACHABLE = "WAREHOUSE_UNREACHABLE"
    WAREHOUSE_REFUSED_LOGIN = "WAREHOUSE_REFUSED_LOGIN"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    WORKER_DIED = "WORKER_DIED"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    INVALID_CHECKS = "INVALID_CHECKS"
    CANCELLED = "CANCELLED"


RETRIED_FAILURES = frozenset({ScanFailure.WAREHOUSE_UNREACHABLE, ScanFailure.WORKER_DIED})


class ScanFailed(Exception):
    """The scan as a whole failed; `message` is fit for the user and holds nothing internal."""

    def __init__(self, failure: ScanFailure, message: str) -> None:
        super().__init__(message)
        self.failure = failure
        self.message = message


@dataclass(frozen=True, slots=True)
class ScanOutcome:
    """What a scan that ran to its end found."""

    checks: tuple[CheckResult, ...]
    measurements: tuple[Measurement, ...]
    """Metric values to keep as history for change-over-time, schema and group-evolution checks."""
    statements: int
    """SQL statements sent to the warehouse."""
    warehouse_seconds: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """One metric value of one scan, kept as history."""

    metric_identity: str
    value_json: str
    """The value as JSON: a number, a schema (list of columns), or a list of groups."""
    data_time: datetime


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """What an engine asks of the history of one metric."""

    metric_identity: str
    limit: int = 1
    """Newest first."""
    before: datetime | None = None
    at_or_before_same_weekday: bool = False


@dataclass(frozen=True, slots=True)
class CheckProblem:
    """One thing wrong with the checks as written."""

    line: int
    """1-based; 0 when it is about the whole text."""
    column: int
    """1-based; 0 when unknown."""
    message: str
    """What was found and what was expected."""


@dataclass(frozen=True, slots=True)
class DeclaredCheck:
    """One check as declared, before it ran."""

    id: str
    name: str
    definition: str
    table: str
    column: str
    line: int


@dataclass(frozen=True, slots=True)
class ValidatedChecks:
    """What the parser understood of a checks text."""

    problems: Sequence[CheckProblem]
    checks: Sequence[DeclaredCheck]
    canonical_yaml: str
    """The text in Soda's own form; empty when there are problems."""
    data_sources: Sequence[str]
    """Names of other connections that the checks refer to."""
    tables: Sequence[str]
    variables: Sequence[str]
    """Variable names that the text refers to."""

    @property
    def valid(self) -> bool:
        return not self.problems

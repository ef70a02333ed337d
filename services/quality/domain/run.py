"""A run: one execution of a dataset's checks and drift detection, and the states it passes through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from services.quality.domain.drift import DriftFinding, DriftSeverity
from services.quality.domain.scan import CheckResult, CheckVerdict


class RunKind(StrEnum):
    """What a run does."""

    QUALITY = "QUALITY"
    DRIFT = "DRIFT"


class RunTrigger(StrEnum):
    """What started a run."""

    MANUAL = "MANUAL"
    SCHEDULE = "SCHEDULE"
    API = "API"


class RunState(StrEnum):
    """Where a run is in its life. Legal moves: QUEUED → RUNNING → an ended state or back to QUEUED; QUEUED → CANCELLED."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    ERRORED = "ERRORED"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        return self not in (RunState.QUEUED, RunState.RUNNING)


class RunVerdict(StrEnum):
    """The worst of a run's results."""

    PASS = "PASS"  # noqa: S105 -- a verdict
    WARN = "WARN"
    FAIL = "FAIL"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class RunError:
    """Why a run, or an attempt of it, failed as a whole. Fit for the user."""

    reason: str
    """A name of `chalkandduster.common.v1.ErrorReason`."""
    message: str


@dataclass(frozen=True, slots=True)
class CheckCounts:
    """Numbers of checks by verdict."""

    total: int = 0
    passed: int = 0
    warned: int = 0
    failed: int = 0
    errored: int = 0
    not_evaluated: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """A run as stored. `checks` and `drifts` are filled by reads of one run, never by lists."""

    id: str
    tenant_id: str
    dataset_id: str
    dataset_name: str
    kinds: tuple[RunKind, ...]
    trigger: RunTrigger
    state: RunState
    create_time: datetime
    verdict: RunVerdict | None = None
    error: RunError | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    attempts: int = 0
    next_attempt_time: datetime | None = None
    """Set only while the run waits for another attempt."""
    counts: CheckCounts = CheckCounts()
    triggered_by: str = ""
    cancel_requested: bool = False
    checks: tuple[CheckResult, ...] = ()
    drifts: tuple[DriftFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be queued."""

    id: str
    tenant_id: str
    dataset_id: str
    dataset_name: str
    kinds: tuple[RunKind, ...]
    trigger: RunTrigger
    triggered_by: str
    variables: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""
    """Empty when every call makes a run."""


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """A run that a worker holds: what it needs to execute it, and the token without which nothing is recorded."""

    id: str
    tenant_id: str
    dataset_id: str
    dataset_name: str
    kinds: tuple[RunKind, ...]
    trigger: RunTrigger
    variables: Mapping[str, str]
    attempt: int
    """1 for the first."""
    failures: int
    """Attempts that were used up before this one."""
    lease_token: str
    create_time: datetime
    queued_seconds: float
    """From the moment it was due until it was claimed."""
    tenant_cap: int
    """The tenant's cap as the queue knows it; refreshed when the registry says otherwise."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What an execution found, to be recorded in one transaction."""

    verdict: RunVerdict
    checks: Sequence[CheckResult] = ()
    drifts: Sequence[DriftFinding] = ()


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list answers; None means any."""

    dataset_id: str | None = None
    state: RunState | None = None
    verdict: RunVerdict | None = None
    trigger: RunTrigger | None = None
    from_time: datetime | None = None
    to_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunKey:
    """Position of a run in the newest-first order."""

    create_time: datetime
    id: str


def count_verdicts(checks: Sequence[CheckResult]) -> CheckCounts:
    """Answer the numbers of checks by verdict."""
    verdicts = [check.verdict for check in checks]
    return CheckCounts(
        total=len(verdicts),
        passed=verdicts.count(CheckVerdict.PASS),
        warned=verdicts.count(CheckVerdict.WARN),
        failed=verdicts.count(CheckVerdict.FAIL),
        errored=verdicts.count(CheckVerdict.ERROR),
        not_evaluated=verdicts.count(CheckVerdict.NOT_EVALUATED),
    )


def overall_verdict(checks: Iterable[CheckResult], drifts: Iterable[DriftFinding]) -> RunVerdict:
    """Answer the worst: FAIL before ERROR before WARN before PASS.

    Checks with nothing to judge do not fail a run, but a run that judged nothing at all has not passed either: it warns.
    """
    verdicts = {check.verdict for check in checks}
    severities = {finding.severity for finding in drifts}
    if CheckVerdict.FAIL in verdicts or DriftSeverity.CRITICAL in severities:
        return RunVerdict.FAIL
    if CheckVerdict.ERROR in verdicts:
        return RunVerdict.ERROR
    if CheckVerdict.WARN in verdicts or DriftSeverity.WARNING in severities or verdicts == {CheckVerdict.NOT_EVALUATED}:
        return RunVerdict.WARN
    return RunVerdict.PASS

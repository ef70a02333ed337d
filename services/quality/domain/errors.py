"""What can go wrong in quality, said in its own words. `rpc/errors.py` alone knows the status codes."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.errors import DependencyUnavailable, DomainError, EgressDenied, FieldViolation, InvalidRequest
from services.quality.domain.scan import CheckProblem, ScanFailure


class DatasetNotFound(DomainError):
    """No such dataset in the caller's tenant."""

    default_message = "There is no such dataset."


class ConnectionNotFound(DomainError):
    """No such connection in the caller's tenant."""

    default_message = "There is no such connection."


class RunNotFound(DomainError):
    """No such run in the caller's tenant."""

    default_message = "There is no such run."


class ScheduleNotFound(DomainError):
    """The dataset is run on demand only, or there is no such dataset."""

    default_message = "The dataset has no schedule."


class NothingToRun(DomainError):
    """The dataset cannot be run as asked."""

    default_message = "The dataset has nothing to run."


class RunEnded(DomainError):
    """A run that ended otherwise than cancelled cannot be cancelled."""

    default_message = "The run has ended, so that it cannot be cancelled."


class TenantSuspended(DomainError):
    """A suspended tenant reads, and runs nothing."""

    default_message = "The tenant is suspended: nothing runs until a platform admin activates it again."


class InvalidSchedule(InvalidRequest):
    """The cron expression or its time zone is not valid, or it never fires."""

    default_message = "The schedule is not valid."

    @classmethod
    def for_cron(cls, problem: str) -> InvalidSchedule:
        return cls([FieldViolation("schedule.cron", problem)])

    @classmethod
    def for_timezone(cls) -> InvalidSchedule:
        return cls([FieldViolation("schedule.timezone", "expected an IANA time zone, for example Europe/Vienna")])


class InvalidChecks(InvalidRequest):
    """The checks do not parse."""

    default_message = "The checks are not valid."

    @classmethod
    def because_of(cls, problems: Sequence[CheckProblem]) -> InvalidChecks:
        return cls([FieldViolation("checks_yaml", describe_problem(problem)) for problem in problems])

    @classmethod
    def because_of_text(cls, message: str) -> InvalidChecks:
        return cls([FieldViolation("checks_yaml", message)])


class WarehouseUnreachable(DomainError):
    """No connection, or no answer in time."""

    default_message = "The warehouse could not be reached."


class WarehouseRefusedLogin(DomainError):
    """Wrong user, password or key."""

    default_message = "The warehouse refused the login."


class ScanDeadlineExceeded(DomainError):
    """The scan took longer than it may and was stopped."""

    default_message = "The scan took longer than it may and was stopped."


class ScanWorkerDied(DomainError):
    """The process that ran the scan died."""

    default_message = "The process that ran the scan died; try again."


class ScanOutOfMemory(DomainError):
    """The scan used more memory than it may."""

    default_message = "The scan used more memory than it may."


class LeaseLost(Exception):
    """Another worker holds the run by now: nothing was recorded. Never leaves the worker."""


REASONS: dict[ScanFailure, str] = {
    ScanFailure.WAREHOUSE_UNREACHABLE: "WAREHOUSE_UNREACHABLE",
    ScanFailure.WAREHOUSE_REFUSED_LOGIN: "WAREHOUSE_REFUSED_LOGIN",
    ScanFailure.DEADLINE_EXCEEDED: "SCAN_DEADLINE_EXCEEDED",
    ScanFailure.WORKER_DIED: "SCAN_WORKER_DIED",
    ScanFailure.OUT_OF_MEMORY: "SCAN_OUT_OF_MEMORY",
    ScanFailure.INVALID_CHECKS: "INVALID_CHECKS",
    ScanFailure.CANCELLED: "SCAN_WORKER_DIED",
}
"""The `ErrorReason` that a failed scan leaves in its run. A cancel that nobody asked for is a dead worker."""


_RUN_REASONS: dict[type[DomainError], str] = {
    DatasetNotFound: "DATASET_NOT_FOUND",
    ConnectionNotFound: "CONNECTION_NOT_FOUND",
    TenantSuspended: "TENANT_SUSPENDED",
    NothingToRun: "NOTHING_TO_RUN",
    InvalidChecks: "INVALID_CHECKS",
    EgressDenied: "EGRESS_DENIED",
    DependencyUnavailable: "DEPENDENCY_UNAVAILABLE",
}


def reason_of(error: DomainError) -> str:
    """Answer the `ErrorReason` that an error leaves in a run."""
    return next((_RUN_REASONS[kind] for kind in type(error).__mro__ if kind in _RUN_REASONS), "INTERNAL")


def describe_problem(problem: CheckProblem) -> str:
    """Answer the problem with its place, as an editor would show it."""
    if not problem.line:
        return problem.message
    place = f"line {problem.line}, column {problem.column}" if problem.column else f"line {problem.line}"
    return f"{place}: {problem.message}"

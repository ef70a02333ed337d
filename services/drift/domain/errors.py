"""What can go wrong in drift, said in its own words. `rpc/errors.py` alone knows the status codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.common.errors import DomainError, EgressDenied, FieldViolation, InvalidRequest


class DatasetNotFound(DomainError):
    """No such dataset in the caller's tenant."""

    default_message = "There is no such dataset."


class DriftNotFound(DomainError):
    """No such finding in the caller's tenant."""

    default_message = "There is no such drift finding."


class ProfileNotFound(DomainError):
    """The dataset has no such profile."""

    default_message = "The dataset has no such profile."


class BaselineNotFound(DomainError):
    """The dataset has no such version, or none yet."""

    default_message = "The dataset has no baseline yet: it comes with the first evaluation."


class BackfillNotFound(DomainError):
    """The dataset never had a backfill."""

    default_message = "The dataset has had no backfill."


class BackfillRunning(DomainError):
    """A dataset has at most one backfill at a time."""

    default_message = "The dataset has a backfill that has not ended: wait for it, or cancel it."


class BackfillEnded(DomainError):
    """What has ended cannot be cancelled."""

    default_message = "The backfill has ended, so that it cannot be cancelled."


class BackfillImpossible(DomainError):
    """The table's past cannot be read."""

    default_message = (
        "The table's past cannot be read: drift_yaml names no partition column, and this warehouse keeps no earlier states of a table."
    )


class NothingToAccept(DomainError):
    """There is no profile yet, so there is nothing that could be called normal."""

    default_message = "There is nothing to accept: the dataset has not been evaluated yet."


class TenantSuspended(DomainError):
    """A suspended tenant reads, and evaluates nothing."""

    default_message = "The tenant is suspended: nothing runs until a platform admin activates it again."


class TableNotFound(DomainError):
    """The warehouse has no such table, or the login may not read it; and it was never profiled before."""

    default_message = "The warehouse has no such table, or the login may not read it."


class WarehouseUnreachable(DomainError):
    """No connection, or no answer in time."""

    default_message = "The warehouse could not be reached."


class WarehouseRefusedLogin(DomainError):
    """Wrong user, password or key."""

    default_message = "The warehouse refused the login."


class WarehouseRefusedStatement(DomainError):
    """A statement of ours failed for a reason of the warehouse."""

    default_message = "The warehouse refused a statement."


class StatementTimedOut(DomainError):
    """A statement took longer than it may and was stopped."""

    default_message = "The profile took longer than it may and was stopped."


@dataclass(frozen=True, slots=True)
class SettingsProblem:
    """One thing wrong with drift settings as written."""

    line: int
    """1-based; 0 when it is about the whole text."""
    column: int
    """1-based; 0 when unknown."""
    message: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.message}" if self.line else self.message


class InvalidDriftSettings(InvalidRequest):
    """The drift settings are not valid."""

    default_message = "The drift settings are not valid."

    @classmethod
    def because_of(cls, problems: Sequence[SettingsProblem]) -> InvalidDriftSettings:
        """One violation a problem."""
        return cls([FieldViolation("drift_yaml", str(problem)) for problem in problems])


_BACKFILL_REASONS: dict[type[DomainError], str] = {
    DatasetNotFound: "DATASET_NOT_FOUND",
    TenantSuspended: "TENANT_SUSPENDED",
    InvalidDriftSettings: "INVALID_DRIFT_SETTINGS",
    TableNotFound: "TABLE_NOT_FOUND",
    BackfillImpossible: "BACKFILL_IMPOSSIBLE",
    WarehouseUnreachable: "WAREHOUSE_UNREACHABLE",
    WarehouseRefusedLogin: "WAREHOUSE_REFUSED_LOGIN",
    WarehouseRefusedStatement: "WAREHOUSE_REFUSED_STATEMENT",
    StatementTimedOut: "SCAN_DEADLINE_EXCEEDED",
    EgressDenied: "EGRESS_DENIED",
}


def reason_of(error: DomainError) -> str:
    """The `ErrorReason` that an error leaves in a backfill."""
    return next((_BACKFILL_REASONS[kind] for kind in type(error).__mro__ if kind in _BACKFILL_REASONS), "INTERNAL")


class StateUnreadable(Exception):
    """What is known of a dataset was written by another version of the engine: it is learned anew from the profiles."""


class StateMoved(Exception):
    """Somebody else changed what is known of the dataset meanwhile: judge again. Never leaves the service."""

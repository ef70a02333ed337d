"""What the use cases need from outside: the store, the registry, the engine, and news of runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import Protocol

from services.common.audit import AuditEvent
from services.quality.domain.definition import DatasetDefinition, ResolvedConnection
from services.quality.domain.drift import DriftAnswers, DriftFinding, DriftQuestion
from services.quality.domain.history import HistoryReader
from services.quality.domain.run import ClaimedRun, NewRun, Run, RunError, RunFilter, RunKey, RunResult, RunState
from services.quality.domain.scan import FailedRows, Measurement, ScanOutcome, ScanRequest, ValidatedChecks
from services.quality.domain.schedule import DueSchedule, FiredSchedule, NewSchedule, Schedule


@dataclass(frozen=True, slots=True)
class CheckSamples:
    """The rows that were kept of one check."""

    check_id: str
    check_name: str
    rows: FailedRows


class RunStore(Protocol):
    """Runs of one tenant, as callers see them."""

    async def enqueue(self, run: NewRun, cap: int, event: AuditEvent) -> Run:
        """Queue a run, or answer the one that an earlier call with the same request id made."""
        ...

    async def find_by_request(self, tenant_id: str, dataset_id: str, request_id: str) -> Run | None: ...

    async def get(self, tenant_id: str, run_id: str, *, with_results: bool) -> Run:
        """Answer a run; raises RunNotFound."""
        ...

    async def list(self, tenant_id: str, wanted: RunFilter, limit: int, after: RunKey | None) -> Sequence[Run]:
        """Answer at most `limit` runs without results, newest first, after the key."""
        ...

    async def cancel(self, tenant_id: str, run_id: str, event: AuditEvent) -> Run:
        """End a queued run, ask for the end of a running one; raises RunNotFound, and RunEnded unless it was cancelled."""
        ...

    async def failed_rows(self, tenant_id: str, run_id: str) -> Sequence[CheckSamples]:
        """Answer the kept rows in the order of the YAML; raises RunNotFound."""
        ...

    async def active_run_ids(self, tenant_id: str, dataset_id: str, limit: int) -> Sequence[str]: ...


class LeaseStatus(Enum):
    """What a renewal learned."""

    HELD = "held"
    CANCEL_REQUESTED = "cancel requested"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class ExpiredLease:
    """A run that was taken from a worker that stopped renewing."""

    run_id: str
    tenant_id: str
    state: RunState
    """QUEUED when it is tried again."""
    worker: str


class QueueContended(Exception):
    """Other workers were just claiming: ask again in a moment."""


class WorkQueue(Protocol):
    """Runs of all tenants, as workers see them. Whatever ends an attempt raises LeaseLost when the lease was lost."""

    async def claim(self) -> ClaimedRun | None:
        """Take the next run; None when no tenant has one due and a place for it. Raises QueueContended."""
        ...

    async def renew(self, run: ClaimedRun) -> LeaseStatus: ...

    async def succeed(self, run: ClaimedRun, result: RunResult, measurements: Sequence[Measurement]) -> RunState:
        """Record results and end in one transaction; answers CANCELLED, with nothing recorded, after a cancel."""
        ...

    async def give_up(self, run: ClaimedRun, error: RunError) -> RunState:
        """End as ERRORED."""
        ...

    async def retry(self, run: ClaimedRun, error: RunError, delay_seconds: float, *, counts: bool) -> RunState:
        """Put back to be tried again; `counts` says whether an attempt was used up."""
        ...

    async def release(self, run: ClaimedRun) -> RunState:
        """Put back at once, as if it had not been started."""
        ...

    async def acknowledge_cancel(self, run: ClaimedRun) -> RunState:
        """End as CANCELLED, the scan being stopped."""
        ...

    async def follow_cap(self, tenant_id: str, cap: int) -> None:
        """Take over a changed cap of concurrent runs."""
        ...

    async def expire_lease(self) -> ExpiredLease | None:
        """Take one run from a worker that stopped renewing; None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """The queue of one tenant."""

    tenant_id: str
    queued: int
    running: int
    oldest_seconds: float
    """Age of the oldest queued run, 0 when none is."""


class QueueStats(Protocol):
    """The queue by tenant, for metrics, and its housekeeping."""

    async def depths(self) -> Sequence[QueueDepth]: ...

    async def prune(self, measurements_before: datetime, runs_before: datetime, limit: int) -> int:
        """Delete a batch of old measurements and ended runs; answers how many rows went."""
        ...


class HistoryStore(Protocol):
    """Earlier measurements."""

    def of_dataset(self, tenant_id: str, dataset_id: str) -> HistoryReader: ...


class ScheduleStore(Protocol):
    """Schedules. Revisions guard against lost updates: None overwrites whatever is there."""

    async def get(self, tenant_id: str, dataset_id: str) -> Schedule | None: ...

    async def set(self, schedule: NewSchedule, revision: str | None, event: AuditEvent) -> Schedule:
        """Create or replace; raises EtagMismatch."""
        ...

    async def delete(self, tenant_id: str, dataset_id: str, revision: str | None, event: AuditEvent) -> None:
        """Raises ScheduleNotFound and EtagMismatch."""
        ...

    async def pause(self, tenant_id: str, dataset_id: str) -> bool:
        """Switch off; answers whether it was on."""
        ...

    async def fire_due(self, limit: int, decide: Callable[[DueSchedule], FiredSchedule]) -> FireReport:
        """Queue the runs of due schedules in one transaction in which no other scheduler sees them."""
        ...


@dataclass(frozen=True, slots=True)
class FireReport:
    """What one look for due schedules did."""

    due: int
    queued_run_ids: Sequence[str]
    switched_off: Sequence[DueSchedule] = ()
    """Schedules that cannot fire any more."""


class Registry(Protocol):
    """Definitions and credentials. Each call raises DependencyUnavailable when the registry does not answer."""

    async def dataset(self, tenant_id: str, dataset_id: str) -> DatasetDefinition:
        """Raises DatasetNotFound."""
        ...

    async def connection(self, tenant_id: str, *, connection_id: str = "", name: str = "") -> ResolvedConnection:
        """By id or by name; raises ConnectionNotFound, and TenantSuspended: its secrets are not for use then."""
        ...


class ScanEngine(Protocol):
    """Runs SodaCL. A scan whose task is cancelled stops its warehouse statement before the cancellation comes through."""

    async def scan(self, request: ScanRequest, history: HistoryReader) -> ScanOutcome:
        """Raises ScanFailed when the scan as a whole gave no results."""
        ...

    async def validate(self, text: str) -> ValidatedChecks: ...


class DriftEvaluator(Protocol):
    """The drift service. A run asks it at the same time as the engine."""

    async def evaluate(self, tenant_id: str, dataset_id: str, run_id: str) -> Sequence[DriftFinding]:
        """Raises DependencyUnavailable when it does not answer, and DriftFailed when it cannot."""
        ...

    async def answer(self, tenant_id: str, dataset_id: str, run_id: str, questions: Sequence[DriftQuestion]) -> DriftAnswers:
        """Answers checks from the history that `evaluate` added to; evaluates first when it was not. Raises like it."""
        ...


class RunEvents(Protocol):
    """News that a run changed. News may be missed or repeated: they say when to look, not what is true."""

    def of_run(self, run_id: str, every_seconds: float) -> AbstractAsyncContextManager[AsyncIterator[RunNews]]:
        """Yields whenever the run may have changed since the block was entered, and after `every_seconds` without news."""
        ...

    async def wait_for_work(self, timeout_seconds: float) -> None:
        """Returns when a run may be waiting for a worker since the last wait, or after the timeout."""
        ...


class RunNews(StrEnum):
    """What is said about a run."""

    STARTED = "RUNNING"
    CANCEL_REQUESTED = "CANCEL"
    CHANGED = "CHANGED"
    """Anything else, also that the listener was cut off for a while."""
    NONE = "NONE"
    """Nothing was heard for a while."""


class MessageKind(StrEnum):
    """Who a message of the outbox is for."""

    RUN_FINISHED = "RUN_FINISHED"
    """The notifier."""
    AUDIT = "AUDIT"
    """The registry."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the outbox."""

    id: str
    tenant_id: str
    payload: Mapping[str, object]
    create_time: datetime
    attempts: int = field(default=1)


class Outbox(Protocol):
    """Messages to other services, written with the changes that they tell of."""

    async def take(self, kind: MessageKind, limit: int) -> Sequence[Message]:
        """Take due messages; those that are not deleted come again later."""
        ...

    async def delete(self, ids: Sequence[str]) -> None: ...


class Relay(Protocol):
    """Delivers messages of one kind to another service."""

    async def deliver(self, messages: Sequence[Message]) -> None:
        """Raises DependencyUnavailable when they must come again. The receiver knows a repeated message by its id."""
        ...


class Metrics(Protocol):
    """What the workers count."""

    def claimed(self, run: ClaimedRun) -> None: ...

    def ended(self, run: ClaimedRun, state: RunState, seconds: float) -> None: ...

    def scanned(self, run: ClaimedRun, outcome: ScanOutcome) -> None: ...

    def lease_lost(self, tenant_id: str) -> None: ...

    def queue_depths(self, depths: Sequence[QueueDepth]) -> None: ...


class Egress(Protocol):
    """The operator's rule for addresses that tenants give."""

    async def check(self, connection: ResolvedConnection) -> None:
        """Raises EgressDenied."""
        ...

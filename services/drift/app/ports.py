"""What the use cases need from outside: the store, the registry, warehouses, and the engine that judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from services.common.audit import AuditEvent
from services.drift.domain.backfill import Backfill, BackfillState, ClaimedBackfill
from services.drift.domain.baseline import Baseline, Mode
from services.drift.domain.connection import ConnectionSpec
from services.drift.domain.dataset import CatalogTable, DatasetDefinition
from services.drift.domain.history_checks import Method
from services.drift.domain.profile import ColumnProfile, Profile
from services.drift.domain.record import (
    Band,
    Decision,
    Evaluation,
    Feedback,
    FeedbackVerdict,
    Finding,
    FindingFilter,
    Found,
    KeptProfile,
    Key,
    Standing,
    Watch,
)
from services.drift.domain.watch_settings import WatchSettings


class Registry(Protocol):
    """Definitions and credentials. Each call raises DependencyUnavailable when the registry does not answer."""

    async def dataset(self, tenant_id: str, dataset_id: str) -> DatasetDefinition:
        """With credentials; raises DatasetNotFound."""
        ...

    async def require(self, tenant_id: str, dataset_id: str) -> None:
        """Raises DatasetNotFound."""
        ...


class Egress(Protocol):
    """The operator's rule for addresses that tenants give."""

    async def check(self, connection: ConnectionSpec) -> Sequence[str]:
        """The addresses of the host, none when it is not known. Raises EgressDenied."""
        ...


Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """For what a session is opened."""

    tag: Mapping[str, str]
    """Shown in the warehouse's query history."""
    zone: str
    """IANA zone in which the warehouse truncates times."""
    addresses: Sequence[str] = ()
    """What the egress policy let pass."""


class WarehouseSession(Protocol):
    """One read-only login. Every call raises WarehouseUnreachable when the connection is lost."""

    async def table(self, dataset: DatasetDefinition) -> CatalogTable | None:
        """What the catalogue says of the dataset's table; None when there is none."""
        ...

    async def query(self, sql: str, seconds: float) -> Sequence[Row]:
        """The rows of one statement of ours; times without an offset, as clocks in the session's zone show them.

        Raises StatementTimedOut and WarehouseRefusedStatement. When the task is cancelled the statement is stopped first.
        """
        ...


class Warehouses(Protocol):
    """Opens sessions."""

    def open(self, connection: ConnectionSpec, request: SessionRequest) -> AbstractAsyncContextManager[WarehouseSession]:
        """Raises WarehouseUnreachable and WarehouseRefusedLogin."""
        ...


@dataclass(frozen=True, slots=True)
class Adopted:
    """A change that held long enough to be normal from here on."""

    column: str
    """Empty for the number of rows."""
    text: str
    """What held, as part of a sentence."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the engine says of one profile."""

    state: object
    """What it knows afterwards."""
    found: tuple[Found, ...]
    standing: Standing
    band: Band | None = None
    adopted: tuple[Adopted, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """One profile and all that the engine may know of it."""

    profile: Profile
    table: CatalogTable | None
    """What the catalogue says now; None for profiles of the past, whose columns nobody remembers."""
    instant: datetime
    """UTC instant of the partition's start."""
    dialect: str = "snowflake"
    """The warehouse that the table's types are of."""


class Engine(Protocol):
    """The pure engine. What it knows of a dataset is a value that only it reads."""

    def empty(self) -> object:
        """What is known before the first profile."""
        ...

    def load(self, text: str) -> object:
        """Raises StateUnreadable for what another version of the engine wrote."""
        ...

    def dump(self, state: object) -> str: ...

    def with_columns_of(self, state: object, known: object) -> object:
        """The state, remembering the table's columns as `known` does if it remembers none: stored profiles do not tell them all."""
        ...

    def judge(self, state: object, judged: Judged, settings: WatchSettings) -> Judgement: ...

    def accept(self, state: object, columns: frozenset[str], mode: Mode, settings: WatchSettings) -> object:
        """The state in which what moved of these columns (none named: of all, and of the rows) is normal."""
        ...

    def feedback(self, state: object, found: Found, verdict: FeedbackVerdict, settings: WatchSettings) -> object:
        """The state that has heard what somebody said about a finding."""
        ...


@dataclass(frozen=True, slots=True)
class MetricBand:
    """Where a metric was expected, and how surprising it is."""

    low: float
    high: float
    surprise: float
    """1 and above is out of the ordinary."""


class HistoryJudge(Protocol):
    """The engine, as the one who answers single checks."""

    def band(self, points: Sequence[tuple[datetime, float]], metric: str, settings: WatchSettings) -> MetricBand | None:
        """Judges the last of the points (local times, oldest first) by those before it; None with too little history."""
        ...

    def distance(self, method: Method, past: Sequence[ColumnProfile], current: ColumnProfile) -> float | None:
        """How far a column is from its past; None when there is nothing to compare."""
        ...


@dataclass(frozen=True, slots=True)
class NewBaseline:
    """A version to be made; it becomes the active one."""

    baseline: Baseline
    closing_state: str = ""
    """What was known under the version before, kept so that it can be gone back to."""
    closing_period: datetime | None = None
    """The newest period by then."""


@dataclass(frozen=True, slots=True)
class Closing:
    """What was known when a version stopped being active."""

    state: str
    """Empty while it is active."""
    period: datetime | None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A decision, and the newest period when it was taken."""

    decision: Decision
    period: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that one evaluation, or a decision, changes; stored in one transaction."""

    watch: Watch | None
    """Its `revision` is the one that was read; a store that has another by now raises StateMoved. None: nothing was judged."""
    profiles: Sequence[KeptProfile] = ()
    findings: Sequence[Finding] = ()
    baselines: Sequence[NewBaseline] = ()
    evaluation: Evaluation | None = None
    event: AuditEvent | None = None


class WatchStore(Protocol):
    """What is known of datasets, in one tenant."""

    async def evaluation(self, tenant_id: str, run_id: str) -> Evaluation | None: ...

    async def watch(self, tenant_id: str, dataset_id: str) -> Watch | None: ...

    async def record(self, tenant_id: str, outcome: Outcome) -> Evaluation | None:
        """Store it. Answers the evaluation that the run has by now, which may be an earlier one. Raises StateMoved."""
        ...

    async def salt(self, tenant_id: str) -> str:
        """The tenant's salt for hashed values; made when first asked for."""
        ...


class FindingStore(Protocol):
    """Findings of one tenant."""

    async def list(self, tenant_id: str, wanted: FindingFilter, limit: int, after: Key | None) -> Sequence[Finding]:
        """Newest first, after the key, without plots."""
        ...

    async def get(self, tenant_id: str, finding_id: str) -> Finding:
        """With plots; raises DriftNotFound."""
        ...

    async def judge(self, tenant_id: str, finding_id: str, feedback: Feedback, watch: Watch | None, event: AuditEvent) -> Finding:
        """Keep the feedback, and the state that heard it. Raises DriftNotFound and StateMoved."""
        ...

    async def heard(self, tenant_id: str, dataset_id: str) -> Sequence[tuple[Finding, Feedback]]:
        """All that was said about a dataset's findings, oldest first."""
        ...


class ProfileStore(Protocol):
    """Profiles of one tenant."""

    async def list(
        self, tenant_id: str, dataset_id: str, times: tuple[datetime | None, datetime | None], limit: int, after: Key | None
    ) -> Sequence[KeptProfile]:
        """Newest partition first, after the key."""
        ...

    async def get(self, tenant_id: str, dataset_id: str, profile_id: str) -> KeptProfile:
        """Raises ProfileNotFound."""
        ...

    async def newest(self, tenant_id: str, dataset_id: str, layout: str, limit: int, *, learned: bool = False) -> Sequence[KeptProfile]:
        """The newest of a layout, oldest of them first; with `learned` those that later ones are compared with."""
        ...

    async def add_past(self, tenant_id: str, profiles: Sequence[KeptProfile]) -> None:
        """Keep profiles of a backfill; periods that are there already stay as they are."""
        ...

    async def judge_again(self, tenant_id: str, judged: Mapping[str, tuple[Standing, Band | None]]) -> None:
        """Set by id how profiles stand after the whole history was judged anew."""
        ...


class BaselineStore(Protocol):
    """Baselines of one tenant."""

    async def get(self, tenant_id: str, dataset_id: str, version: int) -> Baseline:
        """Version 0 stands for the active one. Raises BaselineNotFound."""
        ...

    async def closing(self, tenant_id: str, dataset_id: str, version: int) -> Closing:
        """Raises BaselineNotFound."""
        ...

    async def acceptances(self, tenant_id: str, dataset_id: str) -> Sequence[Acceptance]:
        """All that was accepted, oldest first."""
        ...

    async def list(self, tenant_id: str, dataset_id: str, limit: int, before: int | None) -> Sequence[Baseline]:
        """Newest first, those below version `before`."""
        ...


class BackfillStore(Protocol):
    """Backfills of one tenant."""

    async def start(self, tenant_id: str, backfill: Backfill, event: AuditEvent | None) -> Backfill:
        """Queue it; raises BackfillRunning."""
        ...

    async def last(self, tenant_id: str, dataset_id: str) -> Backfill | None: ...

    async def cancel(self, tenant_id: str, dataset_id: str, event: AuditEvent) -> Backfill:
        """End a queued one, ask for the end of a running one. Raises BackfillNotFound and BackfillEnded."""
        ...


class BackfillQueue(Protocol):
    """Backfills of all tenants, as workers see them."""

    async def claim(self) -> ClaimedBackfill | None:
        """Take the next one that is queued, or whose worker stopped renewing."""
        ...

    async def progress(self, claimed: ClaimedBackfill, backfill: Backfill | None = None) -> bool | None:
        """Renew the lease, and note how far it is when `backfill` is given. Answers whether a cancel was asked for; None when lost."""
        ...

    async def end(self, claimed: ClaimedBackfill, state: BackfillState, error_reason: str = "", error_message: str = "") -> None: ...


class Housekeeping(Protocol):
    """What grows old."""

    async def prune(self, profiles_before: datetime, findings_before: datetime, limit: int) -> int:
        """Delete a batch of old profiles (the newest 100 of a dataset stay), findings and evaluations; answers how many rows went."""
        ...


class Outbox(Protocol):
    """Audit events on their way to the registry, written with the changes that they tell of."""

    async def take(self, limit: int) -> Sequence[AuditEvent]:
        """Take due events; those that are not deleted come again later."""
        ...

    async def delete(self, ids: Sequence[str]) -> None: ...


class AuditTrail(Protocol):
    """Where audit events belong."""

    async def send(self, events: Sequence[AuditEvent]) -> None:
        """Raises DependencyUnavailable when they must come again. The receiver knows a repeated event by its id."""
        ...

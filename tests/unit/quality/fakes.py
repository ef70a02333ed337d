"""Stand-ins for what quality needs from outside. The store is in `fake_store`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from services.quality.app.ports import (
    QueueDepth,
)
from services.quality.domain.connection import PostgresConnection
from services.quality.domain.definition import DatasetDefinition, ResolvedConnection
from services.quality.domain.drift import DriftAnswer, DriftAnswers, DriftFinding, DriftQuestion
from services.quality.domain.errors import ConnectionNotFound, DatasetNotFound
from services.quality.domain.history import HistoryReader
from services.quality.domain.run import (
    ClaimedRun,
    RunState,
)
from services.quality.domain.scan import (
    CheckResult,
    CheckVerdict,
    Measurement,
    SamplePolicy,
    ScanOutcome,
    ScanRequest,
    ValidatedChecks,
)

TENANT = "01900000-0000-7000-8000-00000000000a"
OTHER_TENANT = "01900000-0000-7000-8000-00000000000b"
CONNECTION = ResolvedConnection(
    id="01900000-0000-7000-8000-0000000000c1",
    name="warehouse",
    revision="1",
    spec=PostgresConnection("db.example.com", 5432, "shop", "public", "reader", "require", password="secret"),
)


def definition(dataset_id: str, **changes: object) -> DatasetDefinition:
    """A dataset with one check."""
    present = DatasetDefinition(
        id=dataset_id,
        name="customers",
        database="",
        schema="",
        table="customers",
        checks_yaml="checks for customers:\n- row_count > 0\n",
        variables={"region": "EU"},
        samples=SamplePolicy(),
        connection=CONNECTION,
        max_concurrent_runs=4,
        tenant_active=True,
    )
    return replace(present, **changes)  # type: ignore[arg-type]  # tests name fields by keyword


@dataclass
class FakeRegistry:
    """Registry with what a test put there; `error` is raised by every call while it is set."""

    datasets: dict[tuple[str, str], DatasetDefinition] = field(default_factory=dict)
    connections: dict[tuple[str, str], ResolvedConnection] = field(default_factory=dict)
    error: Exception | None = None

    def put(self, tenant_id: str, dataset: DatasetDefinition) -> DatasetDefinition:
        self.datasets[(tenant_id, dataset.id)] = dataset
        return dataset

    async def dataset(self, tenant_id: str, dataset_id: str) -> DatasetDefinition:
        if self.error:
            raise self.error
        found = self.datasets.get((tenant_id, dataset_id))
        if found is None:
            raise DatasetNotFound(dataset=dataset_id)
        return found

    async def connection(self, tenant_id: str, *, connection_id: str = "", name: str = "") -> ResolvedConnection:
        if self.error:
            raise self.error
        found = self.connections.get((tenant_id, connection_id or name))
        if found is None:
            raise ConnectionNotFound(connection=connection_id or name)
        return found


def check_result(verdict: CheckVerdict = CheckVerdict.PASS, **changes: object) -> CheckResult:
    """A result with every field set."""
    present = CheckResult(
        id=f"check-{verdict.value.lower()}",
        name="no missing emails",
        definition="missing_count(email) = 0",
        table="customers",
        column="email",
        verdict=verdict,
        measured_value=3.0,
        threshold="= 0",
        failed_rows_count=3,
        message="3 rows have no email",
        query="SELECT 1",
        line=2,
        attributes={"owner": "sales"},
    )
    return replace(present, **changes)  # type: ignore[arg-type]  # tests name fields by keyword


def outcome(*checks: CheckResult, measurements: Sequence[Measurement] = ()) -> ScanOutcome:
    return ScanOutcome(checks or (check_result(),), tuple(measurements), statements=1, warehouse_seconds=0.01)


@dataclass
class FakeEngine:
    """ScanEngine that answers `result` after `gate` opened, or raises it."""

    result: ScanOutcome | Exception = field(default_factory=outcome)
    gate: asyncio.Event | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    requests: list[ScanRequest] = field(default_factory=list)
    cancelled: int = 0
    validated: ValidatedChecks = field(default_factory=lambda: ValidatedChecks((), (), "", (), (), ()))

    async def scan(self, request: ScanRequest, history: HistoryReader) -> ScanOutcome:
        self.requests.append(request)
        self.started.set()
        try:
            if self.gate:
                await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    async def validate(self, text: str) -> ValidatedChecks:
        return self.validated


@dataclass
class FakeDrift:
    """DriftEvaluator that answers or raises `result`."""

    result: Sequence[DriftFinding] | Exception = ()
    answers: dict[str, DriftAnswer] = field(default_factory=dict)
    questions: list[DriftQuestion] = field(default_factory=list)

    async def evaluate(self, tenant_id: str, dataset_id: str, run_id: str) -> Sequence[DriftFinding]:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    async def answer(self, tenant_id: str, dataset_id: str, run_id: str, questions: Sequence[DriftQuestion]) -> DriftAnswers:
        self.questions.extend(questions)
        if isinstance(self.result, Exception):
            raise self.result
        return self.answers


@dataclass
class OpenEgress:
    """Egress that lets everything pass, or raises `error`."""

    error: Exception | None = None

    async def check(self, connection: ResolvedConnection) -> None:
        if self.error:
            raise self.error


@dataclass
class CountingMetrics:
    """Metrics that a test can read."""

    states: list[RunState] = field(default_factory=list)
    lost: int = 0
    depths: Sequence[QueueDepth] = ()
    scans: int = 0

    def claimed(self, run: ClaimedRun) -> None:
        assert run.queued_seconds >= 0

    def ended(self, run: ClaimedRun, state: RunState, seconds: float) -> None:
        self.states.append(state)

    def scanned(self, run: ClaimedRun, outcome: ScanOutcome) -> None:
        self.scans += 1

    def lease_lost(self, tenant_id: str) -> None:
        self.lost += 1

    def queue_depths(self, depths: Sequence[QueueDepth]) -> None:
        self.depths = depths

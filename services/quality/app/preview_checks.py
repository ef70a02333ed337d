"""Runs checks for an editor, and stores nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.common.errors import DomainError
from services.quality.app.actor import Actor
from services.quality.app.bounded import Bounded
from services.quality.app.other_sources import OtherSources
from services.quality.app.ports import Egress, Registry, ScanEngine
from services.quality.app.validate_checks import size_problem
from services.quality.domain import errors
from services.quality.domain.connection import ConnectionSpec
from services.quality.domain.definition import ResolvedConnection
from services.quality.domain.history import NoHistory
from services.quality.domain.run import Run, RunKind, RunState, RunTrigger, count_verdicts, overall_verdict
from services.quality.domain.scan import CheckProblem, CheckVerdict, ScanFailed, ScanFailure, ScanOutcome, ScanRequest

_ERRORS: dict[ScanFailure, type[DomainError]] = {
    ScanFailure.WAREHOUSE_UNREACHABLE: errors.WarehouseUnreachable,
    ScanFailure.WAREHOUSE_REFUSED_LOGIN: errors.WarehouseRefusedLogin,
    ScanFailure.DEADLINE_EXCEEDED: errors.ScanDeadlineExceeded,
    ScanFailure.WORKER_DIED: errors.ScanWorkerDied,
    ScanFailure.OUT_OF_MEMORY: errors.ScanOutOfMemory,
    ScanFailure.CANCELLED: errors.ScanWorkerDied,
}

_STATEMENT_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class PreviewCommand:
    """What the caller wants tried."""

    actor: Actor
    connection_id: str
    checks_yaml: str
    variables: Mapping[str, str] = field(default_factory=dict)


class PreviewChecks:
    """Answers a run that nobody will find again. One warehouse failure is the caller's error, not a retry."""

    def __init__(
        self,
        registry: Registry,
        engine: ScanEngine,
        egress: Egress,
        other_sources: OtherSources,
        bounded: Bounded,
        limit_seconds: float,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._registry = registry
        self._engine = engine
        self._egress = egress
        self._other_sources = other_sources
        self._bounded = bounded
        self._limit_seconds = limit_seconds
        self._now = now
        self._new_id = new_id

    async def execute(self, command: PreviewCommand) -> Run:
        """Raises InvalidChecks, ConnectionNotFound, TenantSuspended, EgressDenied, QuotaExceeded, and what became of the warehouse."""
        started = self._now()
        try:
            async with asyncio.timeout(self._limit_seconds), self._bounded.place(command.actor.tenant_id):
                return self._as_run(command, started, await self._scan(command))
        except TimeoutError as error:
            raise errors.ScanDeadlineExceeded from error
        except ScanFailed as failure:
            if failure.failure is ScanFailure.INVALID_CHECKS:
                raise errors.InvalidChecks.because_of_text(failure.message) from failure
            raise _ERRORS[failure.failure](failure.message) from failure

    async def _scan(self, command: PreviewCommand) -> ScanOutcome:
        problems = await self._problems(command.checks_yaml)
        tenant_id = command.actor.tenant_id
        connection = await self._registry.connection(tenant_id, connection_id=command.connection_id)
        await self._egress.check(connection)
        sources = await self._other_sources.execute(tenant_id, command.checks_yaml)
        outcome = await self._engine.scan(self._request(command, connection, sources), NoHistory())
        told = {check.line for check in outcome.checks if check.verdict is CheckVerdict.ERROR}
        if any(problem.line not in told for problem in problems):
            raise errors.InvalidChecks.because_of(problems)
        return outcome

    async def _problems(self, checks_yaml: str) -> Sequence[CheckProblem]:
        """What is wrong with single checks; each of them gets its own verdict. Raises InvalidChecks when it is the text as a whole."""
        problem = size_problem(checks_yaml)
        if problem:
            raise errors.InvalidChecks.because_of([problem])
        validated = await self._engine.validate(checks_yaml)
        if validated.problems and not validated.checks:
            raise errors.InvalidChecks.because_of(validated.problems)
        return validated.problems

    def _request(self, command: PreviewCommand, connection: ResolvedConnection, sources: Mapping[str, ConnectionSpec]) -> ScanRequest:
        return ScanRequest(
            tenant_id=command.actor.tenant_id,
            dataset_id="",
            run_id=self._new_id(),
            attempt=1,
            connection_id=connection.id,
            connection_revision=connection.revision,
            connection=connection.spec,
            # The connection's own: a preview has no table of its own, the checks name theirs.
            database="",
            schema="",
            table="",
            checks_yaml=command.checks_yaml,
            variables=command.variables,
            other_sources=sources,
            deadline_seconds=self._limit_seconds,
            # Short of the whole limit, so that one slow check does not take its neighbours' verdicts with it.
            statement_timeout_seconds=self._limit_seconds * _STATEMENT_SHARE,
        )

    def _as_run(self, command: PreviewCommand, started: datetime, outcome: ScanOutcome) -> Run:
        return Run(
            id="",
            tenant_id=command.actor.tenant_id,
            dataset_id="",
            dataset_name="",
            kinds=(RunKind.QUALITY,),
            trigger=RunTrigger.MANUAL if command.actor.is_person else RunTrigger.API,
            state=RunState.SUCCEEDED,
            verdict=overall_verdict(outcome.checks, ()),
            create_time=started,
            start_time=started,
            end_time=self._now(),
            attempts=1,
            counts=count_verdicts(outcome.checks),
            triggered_by=command.actor.subject,
            checks=outcome.checks,
        )

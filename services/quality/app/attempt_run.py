"""Makes one attempt of a run: resolves, scans, evaluates drift. Records nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from services.common.errors import DependencyUnavailable, DomainError
from services.common.ids import new_id
from services.quality.app.answer_history_checks import AnswerHistoryChecks
from services.quality.app.other_sources import OtherSources
from services.quality.app.ports import DriftEvaluator, Egress, HistoryStore, ScanEngine
from services.quality.domain.attempt import Attempt, Completed, Failed, Interrupted
from services.quality.domain.definition import DatasetDefinition
from services.quality.domain.drift import DriftFailed, DriftFinding, not_evaluated
from services.quality.domain.errors import REASONS, TenantSuspended, reason_of
from services.quality.domain.kinds import KindChoice
from services.quality.domain.run import ClaimedRun, RunError, RunKind, RunResult, overall_verdict
from services.quality.domain.scan import RETRIED_FAILURES, ScanFailed, ScanOutcome, ScanRequest

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """How long a scan of a run may take."""

    deadline_seconds: float
    statement_timeout_seconds: float


class AttemptRun:
    """Answers how the attempt came out; raises only when it is cancelled itself, and then the scan has been stopped."""

    def __init__(
        self,
        engine: ScanEngine,
        drift: DriftEvaluator | None,
        history: HistoryStore,
        egress: Egress,
        other_sources: OtherSources,
        kinds: KindChoice,
        limits: ScanLimits,
    ) -> None:
        self._engine = engine
        self._drift = drift
        self._history = history
        self._egress = egress
        self._other_sources = other_sources
        self._kinds = kinds
        self._limits = limits
        self._history_checks = AnswerHistoryChecks(drift)

    async def execute(self, run: ClaimedRun, dataset: DatasetDefinition) -> Attempt:
        """Try once; what fails is told in the answer."""
        try:
            return await self._evaluate(run, dataset)
        except ScanFailed as failure:
            error = RunError(REASONS[failure.failure], failure.message)
            return Interrupted(error, outage=False) if failure.failure in RETRIED_FAILURES else Failed(error)
        except DriftFailed as failed:
            error = RunError(failed.reason, failed.message)
            return Interrupted(error, outage=False) if failed.retry else Failed(error)
        except DependencyUnavailable as error:
            return Interrupted(RunError(reason_of(error), error.message), outage=True)
        except DomainError as error:
            return Failed(RunError(reason_of(error), error.message))
        except Exception:
            _log.exception("attempt failed for an unforeseen reason")
            return Failed(RunError("INTERNAL", f"Something unforeseen happened; the log has it under run {run.id}."))

    async def _evaluate(self, run: ClaimedRun, dataset: DatasetDefinition) -> Completed:
        if not dataset.tenant_active:
            raise TenantSuspended
        kinds = self._kinds.possible(dataset, run.kinds) or self._kinds.choose(dataset, run.kinds)
        async with self._findings(run, kinds) as findings:
            scan = await self._scan(run, dataset) if RunKind.QUALITY in kinds else None
            drifts = await findings
        checks = await self._history_checks.execute(run, dataset, scan.checks) if scan else ()
        return Completed(RunResult(overall_verdict(checks, drifts), checks, drifts), scan)

    @contextlib.asynccontextmanager
    async def _findings(self, run: ClaimedRun, kinds: Sequence[RunKind]) -> AsyncIterator[asyncio.Task[Sequence[DriftFinding]]]:
        """The drift evaluation, running at the same time as the block, and ended with it."""
        task = asyncio.create_task(self._evaluate_drift(run, kinds))
        try:
            yield task
        finally:
            task.cancel()

    async def _evaluate_drift(self, run: ClaimedRun, kinds: Sequence[RunKind]) -> Sequence[DriftFinding]:
        if self._drift is None or RunKind.DRIFT not in kinds:
            return ()
        try:
            return await self._drift.evaluate(run.tenant_id, run.dataset_id, run.id)
        except DriftFailed as failed:
            # The checks of the run are worth as much without it; a run of drift alone has nothing else to tell.
            if RunKind.QUALITY not in kinds or failed.retry:
                raise
            return (not_evaluated(new_id(), run.dataset_id, failed),)

    async def _scan(self, run: ClaimedRun, dataset: DatasetDefinition) -> ScanOutcome:
        await self._egress.check(dataset.connection)
        request = ScanRequest(
            tenant_id=run.tenant_id,
            dataset_id=run.dataset_id,
            run_id=run.id,
            attempt=run.attempt,
            connection_id=dataset.connection.id,
            connection_revision=dataset.connection.revision,
            connection=dataset.connection.spec,
            database=dataset.database,
            schema=dataset.schema,
            table=dataset.table,
            checks_yaml=dataset.checks_yaml,
            variables={**dataset.variables, **run.variables},
            samples=dataset.samples,
            other_sources=await self._other_sources.execute(run.tenant_id, dataset.checks_yaml),
            deadline_seconds=self._limits.deadline_seconds,
            statement_timeout_seconds=self._limits.statement_timeout_seconds,
        )
        return await self._engine.scan(request, self._history.of_dataset(run.tenant_id, run.dataset_id))

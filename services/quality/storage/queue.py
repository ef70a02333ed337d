"""The queue in Postgres, as workers see it: claims across tenants, everything else in the run's own tenant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from services.common.ids import new_id
from services.common.postgres import Connection, Database
from services.common.sql import load_statements
from services.quality.app.ports import ExpiredLease, LeaseStatus, QueueContended, QueueDepth
from services.quality.domain.errors import LeaseLost
from services.quality.domain.run import ClaimedRun, RunError, RunResult, RunState, RunVerdict, count_verdicts
from services.quality.domain.scan import Measurement
from services.quality.storage import rows
from services.quality.storage.outbox import add_finished_run

_sql = load_statements("services.quality.storage.sql", "queue.sql")
_caps = load_statements("services.quality.storage.sql", "runs.sql")
_WORKER_DIED = RunError("SCAN_WORKER_DIED", "The worker that held the run stopped answering.")
_NO_ERROR = RunError("", "")


class PostgresWorkQueue:
    """`app.ports.WorkQueue` and `app.ports.QueueStats`."""

    def __init__(self, database: Database, worker: str, lease_seconds: float, max_failures: int) -> None:
        """`worker` names this process in logs; a run is given up after `max_failures` used-up attempts."""
        self._database = database
        self._worker = worker
        self._lease_seconds = lease_seconds
        self._max_failures = max_failures

    async def claim(self) -> ClaimedRun | None:
        # Random, not a UUIDv7: a token is a secret of its holder among workers, and must not repeat by clock.
        token = str(uuid4())
        async with self._database.system_tx() as connection:
            row = await connection.fetchrow(_sql.claim_run, token, self._worker, self._lease_seconds)
        if row is None:
            return None
        if row["id"] is None:
            raise QueueContended
        return rows.to_claimed(row, token)

    async def renew(self, run: ClaimedRun) -> LeaseStatus:
        async with self._database.tenant_tx(run.tenant_id) as connection:
            row = await connection.fetchrow(_sql.renew_lease, run.tenant_id, run.id, run.lease_token, self._lease_seconds)
        if row is None:
            return LeaseStatus.LOST
        return LeaseStatus.CANCEL_REQUESTED if row["cancel_requested"] else LeaseStatus.HELD

    async def succeed(self, run: ClaimedRun, result: RunResult, measurements: Sequence[Measurement]) -> RunState:
        async with self._database.tenant_tx(run.tenant_id) as connection:
            state = await self._settle(connection, run, RunState.SUCCEEDED, verdict=result.verdict)
            if state is RunState.SUCCEEDED:
                await _add_results(connection, run, result)
                await _add_measurements(connection, run, measurements)
            return await self._leave(connection, run, state)

    async def give_up(self, run: ClaimedRun, error: RunError) -> RunState:
        return await self._end(run, RunState.ERRORED, error=error, verdict=RunVerdict.ERROR, failures=1)

    async def retry(self, run: ClaimedRun, error: RunError, delay_seconds: float, *, counts: bool) -> RunState:
        return await self._end(run, RunState.QUEUED, error=error, delay_seconds=delay_seconds, failures=int(counts))

    async def release(self, run: ClaimedRun) -> RunState:
        return await self._end(run, RunState.QUEUED)

    async def acknowledge_cancel(self, run: ClaimedRun) -> RunState:
        return await self._end(run, RunState.CANCELLED)

    async def follow_cap(self, tenant_id: str, cap: int) -> None:
        async with self._database.tenant_tx(tenant_id) as connection:
            await connection.execute(_caps.change_cap, tenant_id, cap)

    async def expire_lease(self) -> ExpiredLease | None:
        async with self._database.system_tx() as connection:
            row = await connection.fetchrow(_sql.expire_lease, self._max_failures, new_id(), _WORKER_DIED.reason, _WORKER_DIED.message)
        if row is None:
            return None
        return ExpiredLease(str(row["id"]), str(row["tenant_id"]), RunState(row["state"]), row["worker"])

    async def depths(self) -> Sequence[QueueDepth]:
        async with self._database.system_tx() as connection:
            found = await connection.fetch(_sql.queue_stats)
        return [QueueDepth(str(row["tenant_id"]), row["queued"], row["running"], row["oldest_seconds"]) for row in found]

    async def prune(self, measurements_before: datetime, runs_before: datetime, limit: int) -> int:
        async with self._database.system_tx() as connection:
            row = await connection.fetchrow(_sql.prune, measurements_before, runs_before, limit)
        return int(row["measurements"] + row["runs"])

    async def _end(
        self,
        run: ClaimedRun,
        wanted: RunState,
        *,
        error: RunError = _NO_ERROR,
        verdict: RunVerdict | None = None,
        delay_seconds: float = 0.0,
        failures: int = 0,
    ) -> RunState:
        async with self._database.tenant_tx(run.tenant_id) as connection:
            state = await self._settle(
                connection, run, wanted, error=error, verdict=verdict, delay_seconds=delay_seconds, failures=failures
            )
            return await self._leave(connection, run, state)

    async def _settle(
        self,
        connection: Connection,
        run: ClaimedRun,
        wanted: RunState,
        *,
        error: RunError = _NO_ERROR,
        verdict: RunVerdict | None = None,
        delay_seconds: float = 0.0,
        failures: int = 0,
    ) -> RunState:
        """Answers the state that the run is in now: CANCELLED instead of the wanted one after a cancel. Raises LeaseLost."""
        row = await connection.fetchrow(
            _sql.settle_run,
            run.tenant_id,
            run.id,
            run.lease_token,
            wanted,
            verdict,
            error.reason,
            delay_seconds,
            failures,
            rows.clean(error.message),
        )
        if row is None:
            raise LeaseLost
        return RunState(row["state"])

    async def _leave(self, connection: Connection, run: ClaimedRun, state: RunState) -> RunState:
        if state.ended:
            await add_finished_run(connection, run.tenant_id, run.id, run.dataset_id, state)
        await connection.execute(_sql.free_place, run.tenant_id)
        return state


async def _add_results(connection: Connection, run: ClaimedRun, result: RunResult) -> None:
    counts = count_verdicts(result.checks)
    await connection.execute(
        _sql.insert_results,
        run.tenant_id,
        run.id,
        counts.total,
        counts.passed,
        counts.warned,
        counts.failed,
        counts.errored,
        counts.not_evaluated,
        rows.to_json([rows.from_finding(finding) for finding in result.drifts]),
        rows.to_json([rows.from_check(position, check) for position, check in enumerate(result.checks)]),
    )


async def _add_measurements(connection: Connection, run: ClaimedRun, measurements: Sequence[Measurement]) -> None:
    if measurements:
        kept = rows.to_json([rows.from_measurement(measurement) for measurement in measurements])
        await connection.execute(_sql.insert_measurements, run.tenant_id, run.dataset_id, run.id, kept)

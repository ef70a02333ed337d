"""Runs in Postgres, as callers see them."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.audit import AuditEvent
from services.common.postgres import Connection, Database
from services.common.sql import load_statements
from services.quality.app.ports import CheckSamples
from services.quality.domain.errors import RunEnded, RunNotFound
from services.quality.domain.run import NewRun, Run, RunFilter, RunKey, RunState
from services.quality.storage import rows
from services.quality.storage.outbox import add_audit_event, add_finished_run

_sql = load_statements("services.quality.storage.sql", "runs.sql")


class PostgresRunStore:
    """`app.ports.RunStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def enqueue(self, run: NewRun, cap: int, event: AuditEvent) -> Run:
        async with self._database.tenant_tx(run.tenant_id) as connection:
            await connection.execute(_sql.set_cap, run.tenant_id, cap)
            await connection.execute(_sql.change_cap, run.tenant_id, cap)
            queued = await connection.fetchrow(_sql.enqueue_run, *_parameters(run))
            if queued is None:
                known = await connection.fetchrow(_sql.find_run_by_request_id, run.tenant_id, run.dataset_id, run.request_id)
                return rows.to_run(known)
            await add_audit_event(connection, event)
            return rows.to_run(queued)

    async def find_by_request(self, tenant_id: str, dataset_id: str, request_id: str) -> Run | None:
        async with self._database.tenant_tx(tenant_id) as connection:
            found = await connection.fetchrow(_sql.find_run_by_request_id, tenant_id, dataset_id, request_id)
            return rows.to_run(found) if found else None

    async def get(self, tenant_id: str, run_id: str, *, with_results: bool) -> Run:
        async with self._database.tenant_tx(tenant_id) as connection:
            row = await _find(connection, tenant_id, run_id)
            if not with_results:
                return rows.to_run(row)
            checks = await connection.fetch(_sql.list_check_results, tenant_id, run_id)
            return rows.to_run(row, [rows.to_check(check) for check in checks], with_drifts=True)

    async def list(self, tenant_id: str, wanted: RunFilter, limit: int, after: RunKey | None) -> Sequence[Run]:
        async with self._database.tenant_tx(tenant_id) as connection:
            found = await connection.fetch(
                _sql.list_runs,
                tenant_id,
                wanted.dataset_id,
                wanted.state,
                wanted.verdict,
                wanted.trigger,
                wanted.from_time,
                wanted.to_time,
                after.create_time if after else None,
                after.id if after else None,
                limit,
            )
            return [rows.to_run(row) for row in found]

    async def cancel(self, tenant_id: str, run_id: str, event: AuditEvent) -> Run:
        async with self._database.tenant_tx(tenant_id) as connection:
            row = await connection.fetchrow(_sql.cancel_run, tenant_id, run_id)
            if row is None:
                return _already_cancelled(rows.to_run(await _find(connection, tenant_id, run_id)))
            run = rows.to_run(row)
            await add_audit_event(connection, event)
            if run.state is RunState.CANCELLED:
                await add_finished_run(connection, run.tenant_id, run.id, run.dataset_id, run.state)
            return run

    async def failed_rows(self, tenant_id: str, run_id: str) -> Sequence[CheckSamples]:
        async with self._database.tenant_tx(tenant_id) as connection:
            await _find(connection, tenant_id, run_id)
            kept = await connection.fetch(_sql.list_failed_rows, tenant_id, run_id)
            return [CheckSamples(row["check_id"], row["name"], rows.to_failed_rows(row["samples"])) for row in kept]

    async def active_run_ids(self, tenant_id: str, dataset_id: str, limit: int) -> Sequence[str]:
        async with self._database.tenant_tx(tenant_id) as connection:
            found = await connection.fetch(_sql.list_active_run_ids, tenant_id, dataset_id, limit)
            return [str(row["id"]) for row in found]


async def _find(connection: Connection, tenant_id: str, run_id: str) -> rows.Row:
    row: rows.Row | None = await connection.fetchrow(_sql.get_run, tenant_id, run_id)
    if row is None:
        raise RunNotFound(run=run_id)
    return row


def _parameters(run: NewRun) -> tuple[object, ...]:
    return (
        run.id,
        run.tenant_id,
        run.dataset_id,
        rows.clean(run.dataset_name),
        list(run.kinds),
        run.trigger,
        run.triggered_by,
        rows.to_json(dict(run.variables)),
        run.request_id or None,
    )


def _already_cancelled(run: Run) -> Run:
    if run.state is not RunState.CANCELLED:
        raise RunEnded(run=run.id, state=run.state.value)
    return run

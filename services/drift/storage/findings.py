"""Findings and what was said about them, in Postgres."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.audit import AuditEvent
from services.common.ids import new_id
from services.common.postgres import Database
from services.common.sql import load_statements
from services.drift.domain.errors import DriftNotFound
from services.drift.domain.record import Feedback, Finding, FindingFilter, Key, Watch
from services.drift.storage import rows
from services.drift.storage.watches import add_audit_event, put_watch

_sql = load_statements("services.drift.storage.sql", "findings.sql")


class PostgresFindingStore:
    """`app.ports.FindingStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, tenant_id: str, wanted: FindingFilter, limit: int, after: Key | None) -> Sequence[Finding]:
        async with self._database.tenant_tx(tenant_id) as connection:
            found = await connection.fetch(
                _sql.list_findings,
                tenant_id,
                wanted.dataset_id,
                wanted.kind,
                wanted.severity,
                wanted.from_time,
                wanted.to_time,
                wanted.run_id,
                after.time if after else None,
                after.id if after else None,
                limit,
            )
        return [rows.to_finding(row) for row in found]

    async def get(self, tenant_id: str, finding_id: str) -> Finding:
        async with self._database.tenant_tx(tenant_id) as connection:
            row = await connection.fetchrow(_sql.get_finding, tenant_id, finding_id)
        if row is None:
            raise DriftNotFound(drift=finding_id)
        return rows.to_finding(row)

    async def judge(self, tenant_id: str, finding_id: str, feedback: Feedback, watch: Watch | None, event: AuditEvent) -> Finding:
        async with self._database.tenant_tx(tenant_id) as connection:
            row = await connection.fetchrow(_sql.set_feedback, tenant_id, finding_id, rows.from_feedback(feedback))
            if row is None:
                raise DriftNotFound(drift=finding_id)
            said = (feedback.verdict, rows.clean(feedback.comment), feedback.author, feedback.create_time)
            await connection.execute(_sql.insert_feedback, new_id(), tenant_id, finding_id, *said)
            if watch:
                await put_watch(connection, tenant_id, watch)
            await add_audit_event(connection, event)
        return rows.to_finding(row)

    async def heard(self, tenant_id: str, dataset_id: str) -> Sequence[tuple[Finding, Feedback]]:
        async with self._database.tenant_tx(tenant_id) as connection:
            found = await connection.fetch(_sql.list_feedback, tenant_id, dataset_id)
        return [rows.to_said(row) for row in found]

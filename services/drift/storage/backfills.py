"""Backfills in Postgres: as callers see them, and as the queue of the workers."""

from __future__ import annotations

from uuid import uuid4

from services.common.audit import AuditEvent
from services.common.postgres import Database, UniqueViolation, translated_errors
from services.common.sql import load_statements
from services.drift.domain.backfill import Backfill, BackfillState, ClaimedBackfill
from services.drift.domain.errors import BackfillEnded, BackfillNotFound, BackfillRunning
from services.drift.storage import rows
from services.drift.storage.watches import add_audit_event

_sql = load_statements("services.drift.storage.sql", "backfills.sql")


class PostgresBackfillStore:
    """`app.ports.BackfillStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def start(self, tenant_id: str, backfill: Backfill, event: AuditEvent | None) -> Backfill:
        parameters = (backfill.id, tenant_id, backfill.dataset_id, backfill.source, backfill.max_partitions, backfill.requested_by)
        async with self._database.tenant_tx(tenant_id) as connection:
            try:
                with translated_errors():
                    row = await connection.fetchrow(_sql.insert_backfill, *parameters)
            except UniqueViolation as violation:
                raise BackfillRunning from violation
            if event:
                await add_audit_event(connection, event)
        return rows.to_backfill(row)

    async def last(self, tenant_id: str, dataset_id: str) -> Backfill | None:
        async with self._database.tenant_tx(tenant_id) as connection:
            row = await connection.fetchrow(_sql.last_backfill, tenant_id, dataset_id)
        return rows.to_backfill(row) if row else None

    async def cancel(self, tenant_id: str, dataset_id: str, event: AuditEvent) -> Backfill:
        async with self._database.tenant_tx(tenant_id) as connection:
            row = await connection.fetchrow(_sql.cancel_backfill, tenant_id, dataset_id)
            if row is None:
                ended = await connection.fetchrow(_sql.last_backfill, tenant_id, dataset_id)
                raise BackfillEnded if ended else BackfillNotFound
            await add_audit_event(connection, event)
        return rows.to_backfill(row)


class PostgresBackfillQueue:
    """`app.ports.BackfillQueue`."""

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self._database = database
        self._lease_seconds = lease_seconds

    async def claim(self) -> ClaimedBackfill | None:
        # Random, not a UUIDv7: a token is a secret of its holder among workers, and must not repeat by clock.
        token = str(uuid4())
        async with self._database.system_tx() as connection:
            row = await connection.fetchrow(_sql.claim_backfill, token, self._lease_seconds)
        return rows.to_claimed(row, token) if row else None

    async def progress(self, claimed: ClaimedBackfill, backfill: Backfill | None = None) -> bool | None:
        held = (claimed.tenant_id, claimed.id, claimed.lease_token, self._lease_seconds)
        async with self._database.tenant_tx(claimed.tenant_id) as connection:
            if backfill is None:
                found = await connection.fetchval(_sql.renew_backfill, *held)
            else:
                done = (backfill.from_time, backfill.to_time, backfill.partitions_total, backfill.partitions_done)
                found = await connection.fetchval(_sql.note_progress, *held, *done)
        return None if found is None else bool(found)

    async def end(self, claimed: ClaimedBackfill, state: BackfillState, error_reason: str = "", error_message: str = "") -> None:
        held = (claimed.tenant_id, claimed.id, claimed.lease_token)
        async with self._database.tenant_tx(claimed.tenant_id) as connection:
            await connection.execute(_sql.end_backfill, *held, state, error_reason, rows.clean(error_message))

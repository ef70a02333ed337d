"""Schedules in Postgres."""

from __future__ import annotations

from collections.abc import Callable

from services.common.audit import AuditEvent
from services.common.errors import EtagMismatch
from services.common.postgres import Connection, Database
from services.common.sql import load_statements
from services.quality.app.ports import FireReport
from services.quality.domain.errors import ScheduleNotFound
from services.quality.domain.schedule import DueSchedule, FiredSchedule, NewSchedule, Schedule
from services.quality.storage import rows
from services.quality.storage.outbox import add_audit_event

_sql = load_statements("services.quality.storage.sql", "schedules.sql")


class PostgresScheduleStore:
    """`app.ports.ScheduleStore`."""

    def __init__(self, database: Database, default_cap: int) -> None:
        """`default_cap` bounds a tenant's concurrent runs until the registry has told its own cap."""
        self._database = database
        self._default_cap = default_cap

    async def get(self, tenant_id: str, dataset_id: str) -> Schedule | None:
        async with self._database.tenant_tx(tenant_id) as connection:
            row = await connection.fetchrow(_sql.get_schedule, tenant_id, dataset_id)
        return rows.to_schedule(row) if row else None

    async def set(self, schedule: NewSchedule, revision: str | None, event: AuditEvent) -> Schedule:
        async with self._database.tenant_tx(schedule.tenant_id) as connection:
            row = await self._write(connection, schedule, _revision(revision))
            await add_audit_event(connection, event)
        return rows.to_schedule(row)

    async def _write(self, connection: Connection, schedule: NewSchedule, revision: int | None) -> rows.Row:
        parameters = (
            schedule.tenant_id,
            schedule.dataset_id,
            rows.clean(schedule.dataset_name),
            schedule.cron,
            schedule.timezone,
            schedule.paused,
            list(schedule.kinds),
            schedule.next_run_time,
        )
        row: rows.Row | None = await connection.fetchrow(_sql.update_schedule, *parameters, revision)
        if row is None and revision is None:
            # Two first callers at once: the one that comes second replaces what the other set.
            row = await connection.fetchrow(_sql.insert_schedule, *parameters)
            row = row or await connection.fetchrow(_sql.update_schedule, *parameters, None)
        if row is None:
            raise EtagMismatch(dataset=schedule.dataset_id)
        return row

    async def delete(self, tenant_id: str, dataset_id: str, revision: str | None, event: AuditEvent) -> None:
        async with self._database.tenant_tx(tenant_id) as connection:
            if await connection.fetchrow(_sql.delete_schedule, tenant_id, dataset_id, _revision(revision)):
                await add_audit_event(connection, event)
                return
            if await connection.fetchrow(_sql.get_schedule, tenant_id, dataset_id):
                raise EtagMismatch(dataset=dataset_id)
            raise ScheduleNotFound(dataset=dataset_id)

    async def pause(self, tenant_id: str, dataset_id: str) -> bool:
        async with self._database.tenant_tx(tenant_id) as connection:
            return await connection.fetchrow(_sql.pause_schedule, tenant_id, dataset_id) is not None

    async def fire_due(self, limit: int, decide: Callable[[DueSchedule], FiredSchedule]) -> FireReport:
        async with self._database.system_tx() as connection:
            due = [rows.to_due(row) for row in await connection.fetch(_sql.lock_due_schedules, limit)]
            if not due:
                return FireReport(0, ())
            fired = [decide(schedule) for schedule in due]
            batch = rows.to_json([rows.from_fired(schedule) for schedule in fired])
            queued = await connection.fetch(_sql.fire_schedules, batch, self._default_cap)
        switched_off = [schedule.due for schedule in fired if schedule.next_run_time is None]
        return FireReport(len(due), [str(row["id"]) for row in queued], switched_off)


def _revision(etag: str | None) -> int | None:
    """The revision that an etag stands for; one that never was for an etag that no schedule ever had."""
    if etag is None:
        return None
    return int(etag) if etag.isascii() and etag.isdigit() and len(etag) < 19 else -1

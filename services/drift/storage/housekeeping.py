"""What crosses tenants in Postgres: forgetting what is old, and handing on audit events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from services.common.audit import AuditEvent, Outcome
from services.common.postgres import Database
from services.common.sql import load_statements

_sql = load_statements("services.drift.storage.sql", "watches.sql")


class PostgresHousekeeping:
    """`app.ports.Housekeeping`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prune(self, profiles_before: datetime, findings_before: datetime, limit: int) -> int:
        async with self._database.system_tx() as connection:
            return int(await connection.fetchval(_sql.prune, profiles_before, findings_before, limit))


class PostgresOutbox:
    """`app.ports.Outbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, limit: int) -> Sequence[AuditEvent]:
        async with self._database.system_tx() as connection:
            taken = await connection.fetch(_sql.take_audit_events, limit)
        return [_to_event(row["payload"]) for row in taken]

    async def delete(self, ids: Sequence[str]) -> None:
        async with self._database.system_tx() as connection:
            await connection.execute(_sql.delete_audit_events, list(ids))


def _to_event(payload: str) -> AuditEvent:
    kept = json.loads(payload)
    times = {"outcome": Outcome(kept["outcome"]), "create_time": datetime.fromisoformat(kept["create_time"])}
    return AuditEvent(**{**kept, **times})

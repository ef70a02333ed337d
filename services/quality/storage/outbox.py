"""Messages to other services, written in the transaction of the change that they tell of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from services.common.audit import AuditEvent
from services.common.ids import new_id
from services.common.postgres import Connection, Database
from services.common.sql import load_statements
from services.quality.app.ports import Message, MessageKind
from services.quality.domain.run import RunState
from services.quality.storage import rows

_sql = load_statements("services.quality.storage.sql", "outbox.sql")


async def add_audit_event(connection: Connection, event: AuditEvent) -> None:
    """Write down an event of the tenant whose transaction this is. The message has the event's id, which the receiver knows it by."""
    payload = {**asdict(event), "create_time": event.create_time.isoformat()}
    await connection.execute(_sql.insert_message, event.id, event.tenant_id, MessageKind.AUDIT, rows.to_json(payload))


async def add_finished_run(connection: Connection, tenant_id: str, run_id: str, dataset_id: str, state: RunState) -> None:
    """Write down that a run of the tenant has ended."""
    payload = {"run_id": run_id, "dataset_id": dataset_id, "state": state.value}
    await connection.execute(_sql.insert_message, new_id(), tenant_id, MessageKind.RUN_FINISHED, rows.to_json(payload))


class PostgresOutbox:
    """`app.ports.Outbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, kind: MessageKind, limit: int) -> Sequence[Message]:
        async with self._database.system_tx() as connection:
            taken = await connection.fetch(_sql.take_messages, kind, limit)
        return [
            Message(str(row["id"]), str(row["tenant_id"]), json.loads(row["payload"]), row["create_time"], row["attempts"]) for row in taken
        ]

    async def delete(self, ids: Sequence[str]) -> None:
        async with self._database.system_tx() as connection:
            await connection.execute(_sql.delete_messages, list(ids))

"""The audit trail in Postgres."""

from __future__ import annotations

from typing import Any

import asyncpg

from services.common.audit import AuditEvent, Outcome
from services.common.postgres import Connection as Session
from services.common.sql import load_statements
from services.registry.domain.audit import AuditFilter
from services.registry.domain.paging import Page, PageRequest
from services.registry.storage.rows import PAGE_BYTES, from_json, page_of, to_json

SQL = load_statements("services.registry.storage.sql", "audit_events.sql")


class AuditEventRepository:
    """The audit trail of one transaction's tenant."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, event: AuditEvent) -> None:
        about = (event.resource_type, event.resource_id, event.outcome, event.remote_address, event.request_id)
        await self._session.execute(
            SQL.add_audit_event,
            *(event.id, event.tenant_id, event.create_time, event.actor, event.action, *about),
            *(to_json(event.before), to_json(event.after)),
        )

    async def list(self, wanted: AuditFilter, page: PageRequest) -> Page[AuditEvent]:
        """Newest first. A page may be shorter than asked for, so that its bytes stay bounded."""
        filters = (wanted.actor, wanted.action, wanted.resource_id, wanted.outcome or "", wanted.from_time, wanted.to_time)
        after = page.after or (None, None)
        rows = await self._session.fetch(SQL.list_audit_events, *filters, *after, page.size + 1, PAGE_BYTES)
        return page_of(rows, page.size, _event_of, lambda event: (event.create_time, event.id))


def as_json(event: AuditEvent) -> dict[str, Any]:
    """The event as `record_audit_events` takes it."""
    names = (
        "id",
        "tenant_id",
        "actor",
        "action",
        "resource_type",
        "resource_id",
        "outcome",
        "remote_address",
        "request_id",
        "before",
        "after",
    )
    return {name: getattr(event, name) for name in names} | {"create_time": event.create_time.isoformat()}


def _event_of(row: asyncpg.Record) -> AuditEvent:
    names = ("create_time", "actor", "action", "resource_type", "resource_id", "remote_address", "request_id")
    return AuditEvent(
        id=str(row["id"]),
        tenant_id=str(row["tenant_id"]) if row["tenant_id"] else None,
        outcome=Outcome(row["outcome"]),
        before=from_json(row["before"]),
        after=from_json(row["after"]),
        **{name: row[name] for name in names},
    )

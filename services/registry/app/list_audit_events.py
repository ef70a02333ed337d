"""Listing audit events."""

from __future__ import annotations

from services.common.audit import AuditEvent
from services.registry.app.ports import Store
from services.registry.domain.audit import AuditFilter
from services.registry.domain.caller import Caller
from services.registry.domain.paging import Page, PageRequest


class ListAuditEvents:
    """Lists the audit events of the caller's tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def execute(self, caller: Caller, wanted: AuditFilter, page: PageRequest) -> Page[AuditEvent]:
        """Events that match, newest first."""
        async with self._store.tenant(caller.tenant) as tx:
            return await tx.audit_events.list(wanted, page)

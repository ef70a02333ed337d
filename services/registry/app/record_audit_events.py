"""Taking in audit events of other services, and of calls refused here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.common.audit import AuditEvent
from services.registry.app.ports import Store
from services.registry.domain.audit import shortened


class RecordAuditEvents:
    """Stores events, each once."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def execute(self, events: Sequence[AuditEvent]) -> None:
        """Store them; one whose id is known is not stored twice. Raises DependencyUnavailable."""
        await self._store.record_audit_events([_bounded(event) for event in events])


def _bounded(event: AuditEvent) -> AuditEvent:
    before, after = (shortened(fields) if fields is not None else None for fields in (event.before, event.after))
    return replace(event, before=before, after=after)

"""Hands audit events on to the registry, at least once."""

from __future__ import annotations

from services.drift.app.ports import AuditTrail, Outbox

_BATCH = 200


class RelayAuditEvents:
    """What is not delivered comes again later, by itself."""

    def __init__(self, outbox: Outbox, trail: AuditTrail) -> None:
        self._outbox = outbox
        self._trail = trail

    async def execute(self) -> None:
        """Raises DependencyUnavailable when the registry does not answer."""
        while events := await self._outbox.take(_BATCH):
            await self._trail.send(events)
            await self._outbox.delete([event.id for event in events])

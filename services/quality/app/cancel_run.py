"""Cancels a run."""

from __future__ import annotations

from services.quality.app.actor import Actor
from services.quality.app.ports import RunStore
from services.quality.domain.run import Run


class CancelRun:
    """A queued run ends at once; a running one when its worker has stopped the warehouse's statement."""

    def __init__(self, runs: RunStore) -> None:
        self._runs = runs

    async def execute(self, run_id: str, actor: Actor) -> Run:
        """Raises RunNotFound, and RunEnded for a run that ended otherwise."""
        return await self._runs.cancel(actor.tenant_id, run_id, actor.did("run", run_id))

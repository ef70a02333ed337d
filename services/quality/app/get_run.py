"""Answers one run with its results."""

from __future__ import annotations

from services.quality.app.ports import RunStore
from services.quality.domain.run import Run


class GetRun:
    """Answers one run with its results."""

    def __init__(self, runs: RunStore) -> None:
        self._runs = runs

    async def execute(self, tenant_id: str, run_id: str) -> Run:
        """Raises RunNotFound."""
        return await self._runs.get(tenant_id, run_id, with_results=True)

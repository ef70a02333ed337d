"""Answers the rows that were kept of the checks of a run."""

from __future__ import annotations

from collections.abc import Sequence

from services.quality.app.ports import CheckSamples, RunStore


class ListFailedRows:
    """Answers nothing for a dataset that keeps none."""

    def __init__(self, runs: RunStore) -> None:
        self._runs = runs

    async def execute(self, tenant_id: str, run_id: str) -> Sequence[CheckSamples]:
        """Raises RunNotFound."""
        return await self._runs.failed_rows(tenant_id, run_id)

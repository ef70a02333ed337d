"""Lists the versions of a dataset's baseline."""

from __future__ import annotations

from collections.abc import Sequence

from services.drift.app.ports import BaselineStore, Registry
from services.drift.domain.baseline import Baseline


class ListBaselines:
    """Answers versions, newest first, and the version after which the next page goes on; None on the last."""

    def __init__(self, baselines: BaselineStore, registry: Registry) -> None:
        self._baselines = baselines
        self._registry = registry

    async def execute(self, tenant_id: str, dataset_id: str, size: int, before: int | None) -> tuple[Sequence[Baseline], int | None]:
        """Raises DatasetNotFound."""
        found = await self._baselines.list(tenant_id, dataset_id, size + 1, before)
        if not found:
            await self._registry.require(tenant_id, dataset_id)
        return found[:size], found[size - 1].version if len(found) > size else None

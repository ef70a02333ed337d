"""Compares two versions of a dataset's baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.drift.app.get_baseline import GetBaseline
from services.drift.domain.baseline import BaselineChange, diff_figures
from services.drift.domain.errors import BaselineNotFound


@dataclass(frozen=True, slots=True)
class BaselineDiff:
    """What differs between two versions."""

    from_version: int
    to_version: int
    changes: Sequence[BaselineChange]


class DiffBaselines:
    """Answers what differs in the usual figures."""

    def __init__(self, baselines: GetBaseline) -> None:
        self._baselines = baselines

    async def execute(self, tenant_id: str, dataset_id: str, from_version: int, to_version: int) -> BaselineDiff:
        """Version 0 stands for the active one as the later, and for its parent as the earlier. Raises BaselineNotFound."""
        later = await self._baselines.execute(tenant_id, dataset_id, to_version)
        wanted = from_version or later.parent_version
        if not wanted:
            raise BaselineNotFound("The first version has no parent to be compared with.", version=str(later.version))
        earlier = await self._baselines.execute(tenant_id, dataset_id, wanted)
        return BaselineDiff(earlier.version, later.version, diff_figures(earlier.figures, later.figures))

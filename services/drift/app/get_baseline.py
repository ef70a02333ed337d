"""Answers what is normal for a dataset."""

from __future__ import annotations

from dataclasses import replace

from services.drift.app.new_baseline import WINDOW
from services.drift.app.ports import BaselineStore, ProfileStore, WatchStore
from services.drift.domain.baseline import Baseline, usual_figures
from services.drift.domain.errors import BaselineNotFound


class GetBaseline:
    """Answers one version. The active one goes on learning, so its window and figures are those of now."""

    def __init__(self, baselines: BaselineStore, watches: WatchStore, profiles: ProfileStore) -> None:
        self._baselines = baselines
        self._watches = watches
        self._profiles = profiles

    async def execute(self, tenant_id: str, dataset_id: str, version: int) -> Baseline:
        """Version 0 stands for the active one. Raises BaselineNotFound."""
        baseline = await self._baselines.get(tenant_id, dataset_id, version)
        if not baseline.active:
            return baseline
        watch = await self._watches.watch(tenant_id, dataset_id)
        if watch is None:
            raise BaselineNotFound
        window = await self._profiles.newest(tenant_id, dataset_id, watch.layout, WINDOW, learned=True)
        if not window:
            return baseline
        return replace(
            baseline,
            window_start=window[0].time,
            window_end=window[-1].time,
            profile_ids=tuple(profile.id for profile in window),
            figures=usual_figures([profile.profile for profile in window]),
        )

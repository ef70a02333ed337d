"""Answers one profile."""

from __future__ import annotations

from services.drift.app.ports import ProfileStore
from services.drift.domain.record import KeptProfile


class GetProfile:
    """Answers a profile with the figures of its columns."""

    def __init__(self, profiles: ProfileStore) -> None:
        self._profiles = profiles

    async def execute(self, tenant_id: str, dataset_id: str, profile_id: str) -> KeptProfile:
        """Raises ProfileNotFound."""
        return await self._profiles.get(tenant_id, dataset_id, profile_id)

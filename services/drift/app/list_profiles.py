"""Lists profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.drift.app.ports import ProfileStore, Registry
from services.drift.domain.record import KeptProfile, Key


@dataclass(frozen=True, slots=True)
class ProfilePage:
    """One page; `next_key` is None on the last."""

    profiles: Sequence[KeptProfile]
    next_key: Key | None


class ListProfiles:
    """Answers profiles, newest partition first."""

    def __init__(self, profiles: ProfileStore, registry: Registry) -> None:
        self._profiles = profiles
        self._registry = registry

    async def execute(
        self, tenant_id: str, dataset_id: str, times: tuple[datetime | None, datetime | None], size: int, after: Key | None
    ) -> ProfilePage:
        """`times` bound the start of the partitions, the second one excluded. Raises DatasetNotFound."""
        found = await self._profiles.list(tenant_id, dataset_id, times, size + 1, after)
        if not found:
            await self._registry.require(tenant_id, dataset_id)
        page = found[:size]
        return ProfilePage(page, Key(page[-1].time, page[-1].id) if len(found) > size else None)

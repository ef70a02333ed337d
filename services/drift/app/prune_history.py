"""Forgets what is older than the operator wants kept."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from services.drift.app.ports import Housekeeping

_log = logging.getLogger(__name__)
_BATCH = 2_000


class PruneHistory:
    """Deletes in batches, so that no lock is held for long."""

    def __init__(self, housekeeping: Housekeeping, now: Callable[[], datetime], profile_days: float, finding_days: float) -> None:
        self._housekeeping = housekeeping
        self._now = now
        self._profile_days = profile_days
        self._finding_days = finding_days

    async def execute(self) -> int:
        """Answers how many rows went."""
        profiles_before = self._now() - timedelta(days=self._profile_days)
        findings_before = self._now() - timedelta(days=self._finding_days)
        total = 0
        while gone := await self._housekeeping.prune(profiles_before, findings_before, _BATCH):
            total += gone
        if total:
            _log.info("Old history was deleted.", extra={"rows": total})
        return total

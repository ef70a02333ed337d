"""When API keys were last used, to the minute, without a write for each call."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from services.common.errors import DependencyUnavailable
from services.registry.app.ports import Store

_log = logging.getLogger(__name__)
FLUSH_SECONDS = 20.0


class KeyUses:
    """Remembers uses, and stores those of a new minute together."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: dict[str, datetime] = {}
        self._waiting: dict[str, datetime] = {}

    def note(self, key_id: str, time: datetime) -> None:
        """Say that a key was used."""
        minute = time.replace(second=0, microsecond=0)
        if self._seen.get(key_id) != minute:
            self._seen[key_id] = self._waiting[key_id] = minute

    async def flush(self) -> None:
        """Store what was noted since the last time. Raises DependencyUnavailable, and keeps what it could not store."""
        if not self._waiting:
            return
        uses, self._waiting = self._waiting, {}
        try:
            await self._store.note_key_uses(uses)
        except DependencyUnavailable:
            self._waiting = uses | self._waiting
            raise
        newest = max(self._seen.values())
        self._seen = {key_id: minute for key_id, minute in self._seen.items() if minute == newest}

    async def run(self) -> None:
        """Store every few seconds until cancelled; a last time then."""
        try:
            while True:
                await asyncio.sleep(FLUSH_SECONDS)
                await self._try_flush()
        finally:
            await self._try_flush()

    async def _try_flush(self) -> None:
        try:
            await self.flush()
        except DependencyUnavailable:
            _log.warning("Uses of API keys could not be stored; they are kept for the next time.", extra={"waiting": len(self._waiting)})

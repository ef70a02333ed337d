"""Saying whom an API key stands for."""

from __future__ import annotations

from services.registry.app.key_uses import KeyUses
from services.registry.app.ports import Clock, Store
from services.registry.domain.api_key import ApiKey, key_id_of
from services.registry.domain.errors import ApiKeyNotFound


class AuthenticateApiKey:
    """Finds the key that a text is, and notes its use."""

    def __init__(self, store: Store, uses: KeyUses, now: Clock) -> None:
        self._store = store
        self._uses = uses
        self._now = now

    async def execute(self, key: str) -> ApiKey:
        """The key. Raises ApiKeyNotFound for one that is unknown, wrong, expired or revoked: which of them is nobody's to know."""
        key_id = key_id_of(key)
        found = await self._store.find_api_key(key_id) if key_id else None
        now = self._now()
        if found is None or not found.matches(key) or not found.works_at(now):
            raise ApiKeyNotFound("The API key is unknown, expired or revoked.")
        self._uses.note(found.id, now)
        return found

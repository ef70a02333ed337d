"""Creates that can be repeated: the same `request_id` with the same content answers what the first call made."""

from __future__ import annotations

import hmac

from services.common.errors import RequestIdReused
from services.registry.app.ports import Requests, Sealer
from services.registry.domain.request_key import RequestKey, StoredRequest


class Idempotency:
    """Finds and claims request ids of one kind of create."""

    def __init__(self, method: str, sealer: Sealer) -> None:
        self._method = method
        self._sealer = sealer

    async def find(self, requests: Requests, owner: str, key: RequestKey | None) -> str | None:
        """Id of what an earlier call under this key made; None when there was none. Raises RequestIdReused."""
        if key is None:
            return None
        earlier = await requests.find(self._method, key.request_id)
        return None if earlier is None else self._same(owner, key, earlier)

    async def claim(self, requests: Requests, owner: str, key: RequestKey | None, resource_id: str) -> str | None:
        """Remember that this call makes `resource_id`; the id of what a call that was faster made. Raises RequestIdReused."""
        if key is None:
            return None
        sealed = self._sealer.seal(owner, self._name(key), key.digest)
        if await requests.claim(self._method, key.request_id, StoredRequest(resource_id, sealed)):
            return None
        return await self.find(requests, owner, key)

    def _same(self, owner: str, key: RequestKey, earlier: StoredRequest) -> str:
        digest = self._sealer.open(owner, self._name(key), earlier.sealed_digest)
        if not hmac.compare_digest(digest, key.digest):
            raise RequestIdReused(request_id=key.request_id)
        return earlier.resource_id

    def _name(self, key: RequestKey) -> str:
        return f"request/{self._method}/{key.request_id}"

"""API keys: long-lived credentials of machines, as `x-api-key: chk_<id>_<secret>`."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from services.common.auth.principal import Principal

MAX_API_KEY_LENGTH = 200


class ApiKeyAuthenticator(Protocol):
    """Knows API keys: the registry from its storage, the others by asking the registry."""

    async def authenticate(self, key: str) -> Principal | None:
        """Whom the key stands for; None for a key that is unknown, revoked or expired.

        Raises DependencyUnavailable when that cannot be found out.
        """


class CachedApiKeys:
    """Remembers what another authenticator said: a good key for 30 s, a bad one for 5 s.

    A revoked key thus works for up to 30 s more. Keys are remembered by their SHA-256, never themselves.
    """

    def __init__(
        self,
        inner: ApiKeyAuthenticator,
        *,
        good_seconds: float = 30,
        bad_seconds: float = 5,
        capacity: int = 10_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._good_seconds = good_seconds
        self._bad_seconds = bad_seconds
        self._capacity = capacity
        self._monotonic = monotonic
        self._known: OrderedDict[bytes, tuple[Principal | None, float]] = OrderedDict()

    async def authenticate(self, key: str) -> Principal | None:
        """As the port says; an answer that could not be had is not remembered."""
        digest = hashlib.sha256(key.encode()).digest()
        known = self._known.get(digest)
        if known is not None and self._monotonic() < known[1]:
            return known[0]
        principal = await self._inner.authenticate(key)
        lifetime = self._good_seconds if principal else self._bad_seconds
        self._known[digest] = (principal, self._monotonic() + lifetime)
        self._known.move_to_end(digest)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return principal


class NoApiKeys:
    """For a service that takes none: every key is unknown."""

    async def authenticate(self, key: str) -> Principal | None:
        """None."""
        return None

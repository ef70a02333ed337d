"""API keys: long-lived credentials of machines, as `x-api-key: chk_<id>_<secret>`."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from services.common.auth.principal import Principal
from services.common.errors import DependencyUnavailable

MAX_API_KEY_LENGTH = 200


class ApiKeyAuthenticator(Protocol):
    """Knows API keys: the registry from its storage, the others by asking the registry."""

    async def authenticate(self, key: str) -> Principal | None:
        """Whom the key stands for; None for a key that is unknown, revoked or expired.

        Raises DependencyUnavailable when that cannot be found out.
        """


class CachedApiKeys:
    """Asks another authenticator, and bridges its outages: while it does not answer, a key that was good in the last 30 s is good.

    A revoked or expired key thus stops at once, but during an outage. A bad key is remembered for 5 s, so that guessing costs the
    other nothing. Keys are remembered by their SHA-256, never themselves.
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
        known = self._fresh(digest)
        if known == (None,):
            return None
        try:
            principal = await self._inner.authenticate(key)
        except DependencyUnavailable:
            if known is None:
                raise
            return known[0]
        lifetime = self._good_seconds if principal else self._bad_seconds
        self._known[digest] = (principal, self._monotonic() + lifetime)
        self._known.move_to_end(digest)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return principal

    def _fresh(self, digest: bytes) -> tuple[Principal | None] | None:
        """What was said of the key, in a tuple; None when nothing was, or too long ago."""
        principal, until = self._known.get(digest, (None, 0.0))
        return (principal,) if self._monotonic() < until else None


class NoApiKeys:
    """For a service that takes none: every key is unknown."""

    async def authenticate(self, key: str) -> Principal | None:
        """None."""
        return None

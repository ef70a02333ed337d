"""Bounds how much of a costly thing callers do at the same time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.common.errors import QuotaExceeded


class Bounded:
    """So many at once in this process, and so many of one tenant: a further one of the tenant is refused, not queued."""

    def __init__(self, quota: str, at_once: int, per_tenant: int) -> None:
        self._quota = quota
        self._places = asyncio.Semaphore(at_once)
        self._per_tenant = per_tenant
        self._tenants: Counter[str] = Counter()

    @asynccontextmanager
    async def place(self, tenant_id: str) -> AsyncIterator[None]:
        """A place for the block. Raises QuotaExceeded when the tenant has all of its own."""
        if self._tenants[tenant_id] >= self._per_tenant:
            raise QuotaExceeded(f"At most {self._per_tenant} of these calls run at once; try again when one has ended.", quota=self._quota)
        self._tenants[tenant_id] += 1
        try:
            async with self._places:
                yield
        finally:
            self._tenants[tenant_id] -= 1
            self._tenants += Counter()  # drops tenants that have none

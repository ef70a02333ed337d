"""The operator's egress policy, for addresses that tenants write into connections."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.egress import EgressPolicy
from services.common.errors import HostNotFound


class TenantEgress:
    """Lets pass what the policy lets pass, and what does not resolve: a test says so better, and DNS may be down just now."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy

    async def check(self, host: str, port: int, field: str) -> Sequence[str]:
        """The addresses of `host`; none when it does not resolve. Raises EgressDenied."""
        try:
            return await self._policy.check(host, port, field=field)
        except HostNotFound:
            return ()

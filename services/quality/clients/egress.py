"""The operator's egress policy, applied to a connection right before a scan uses it."""

from __future__ import annotations

import contextlib

from services.common.egress import EgressPolicy
from services.common.errors import HostNotFound
from services.quality.domain.connection import SnowflakeConnection
from services.quality.domain.definition import ResolvedConnection

_DEFAULT_PORTS = {"https": 443, "http": 80}


class ConnectionEgress:
    """`app.ports.Egress`. The registry judged the address on save; a name may lead elsewhere by now."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy

    async def check(self, connection: ResolvedConnection) -> None:
        spec = connection.spec
        if isinstance(spec, SnowflakeConnection):
            # Without a host the account decides, and leads to Snowflake's own domain.
            host, port, field = spec.host, spec.port or _DEFAULT_PORTS[spec.protocol], "snowflake.host"
        else:
            host, port, field = spec.host, spec.port, "postgres.host"
        if host:
            # A name without address is left to the scan: it may be a resolver's outage, which is worth another attempt.
            with contextlib.suppress(HostNotFound):
                await self._policy.check(host, port, field=field)

"""The operator's egress policy, applied to a connection right before it is used."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.egress import EgressPolicy
from services.common.errors import HostNotFound
from services.drift.domain.connection import ConnectionSpec, SnowflakeConnection

_DEFAULT_PORTS = {"https": 443, "http": 80}


class ConnectionEgress:
    """`app.ports.Egress`. The registry judged the address on save; a name may lead elsewhere by now."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy

    async def check(self, connection: ConnectionSpec) -> Sequence[str]:
        if isinstance(connection, SnowflakeConnection):
            # Without a host the account decides, and leads to Snowflake's own domain.
            host, port, field = connection.host, connection.port or _DEFAULT_PORTS[connection.protocol], "snowflake.host"
        else:
            host, port, field = connection.host, connection.port, "postgres.host"
        if not host:
            return ()
        try:
            return await self._policy.check(host, port, field=field)
        except HostNotFound:
            return ()  # the connect says it better; it may be a resolver's outage

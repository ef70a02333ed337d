"""Resolves the connections that checks name beside their own."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from services.quality.app.ports import Egress, Registry, ScanEngine
from services.quality.domain.connection import ConnectionSpec
from services.quality.domain.errors import ConnectionNotFound


class OtherSources:
    """Answers connections by name. An unknown name is left out: it is the error of the check that names it, of no other."""

    def __init__(self, registry: Registry, engine: ScanEngine, egress: Egress) -> None:
        self._registry = registry
        self._engine = engine
        self._egress = egress

    async def execute(self, tenant_id: str, checks_yaml: str) -> Mapping[str, ConnectionSpec]:
        """Raises EgressDenied and DependencyUnavailable."""
        validated = await self._engine.validate(checks_yaml)
        found = {}
        for name in validated.data_sources:
            with contextlib.suppress(ConnectionNotFound):
                connection = await self._registry.connection(tenant_id, name=name)
                await self._egress.check(connection)
                found[name] = connection.spec
        return found

"""Resolves the connections that checks name beside their own."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from services.quality.app.ports import Egress, Registry, ScanEngine
from services.quality.domain.connection import ConnectionSpec
from services.quality.domain.errors import ConnectionNotFound

_REFERENCE = "same as"
"""In every check that reads another connection. Parsing costs a process, so texts without it are not parsed for this."""
_TEXTS_REMEMBERED = 1_000


class OtherSources:
    """Answers connections by name. An unknown name is left out: it is the error of the check that names it, of no other."""

    def __init__(self, registry: Registry, engine: ScanEngine, egress: Egress) -> None:
        self._registry = registry
        self._engine = engine
        self._egress = egress
        self._names: OrderedDict[str, Sequence[str]] = OrderedDict()

    async def execute(self, tenant_id: str, checks_yaml: str) -> Mapping[str, ConnectionSpec]:
        """Raises EgressDenied and DependencyUnavailable."""
        found = {}
        for name in await self._named(checks_yaml):
            with contextlib.suppress(ConnectionNotFound):
                connection = await self._registry.connection(tenant_id, name=name)
                await self._egress.check(connection)
                found[name] = connection.spec
        return found

    async def _named(self, checks_yaml: str) -> Sequence[str]:
        if _REFERENCE not in checks_yaml:
            return ()
        if checks_yaml not in self._names:
            self._names[checks_yaml] = (await self._engine.validate(checks_yaml)).data_sources
        self._names.move_to_end(checks_yaml)
        if len(self._names) > _TEXTS_REMEMBERED:
            self._names.popitem(last=False)
        return self._names[checks_yaml]

"""Logging in to warehouses of every kind, within bounded time and in few threads."""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from services.registry.domain.connection import OpenedConnection, ProbeResult, SnowflakeSettings
from services.registry.warehouses import postgres
from services.registry.warehouses.failure import LoginFailed

_log = logging.getLogger(__name__)
# The steps' own limits add up to less; a warehouse that hides from all of them leaves a thread behind, not a call.
LIMIT_SECONDS = 25.0
THREADS = 8


class Warehouses:
    """The WarehouseProbe over real warehouses."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="warehouse-probe")

    async def probe(self, opened: OpenedConnection, addresses: Sequence[str]) -> ProbeResult:
        """What the warehouse said. Raises nothing that the warehouse may be the cause of."""
        if isinstance(opened.connection.settings, SnowflakeSettings):
            await asyncio.get_running_loop().run_in_executor(self._executor, _load_connector)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                version = await self._log_in(opened, addresses)
        except LoginFailed as failed:
            _log.info("A connection did not work.", extra={"connection": opened.connection.id, "kind": opened.connection.settings.kind})
            return ProbeResult(ok=False, latency_ms=_since(started), error=str(failed))
        except TimeoutError:
            return ProbeResult(
                ok=False, latency_ms=_since(started), error=f"The warehouse did not answer within {LIMIT_SECONDS:.0f} seconds."
            )
        return ProbeResult(ok=True, latency_ms=_since(started), server_version=version)

    async def _log_in(self, opened: OpenedConnection, addresses: Sequence[str]) -> str:
        settings = opened.connection.settings
        if isinstance(settings, SnowflakeSettings):
            from services.registry.warehouses import snowflake

            return await snowflake.log_in(settings, opened.secret, addresses, self._executor)
        return await postgres.log_in(settings, opened.secret, addresses)

    def close(self) -> None:
        """Take no more work; threads that still wait for a warehouse end by themselves."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _load_connector() -> None:
    """Import what logs in to Snowflake, once. The connector takes a second, for which no start, migration or latency shall wait."""
    importlib.import_module("services.registry.warehouses.snowflake")


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)

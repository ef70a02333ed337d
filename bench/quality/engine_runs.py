"""Ours, measured at the engine: what REST, queue and storage add is measured by the cases that go through the gateway."""

from __future__ import annotations

import asyncio
import time
import uuid
from types import TracebackType
from typing import Self

import psutil

from bench.quality.cases import Run
from chalkandduster.local.emulator import EmulatorProcess
from services.quality.domain.connection import SnowflakeConnection
from services.quality.domain.history import NoHistory
from services.quality.domain.scan import SamplePolicy, ScanRequest
from services.quality.soda.engine import SodaEngine


class EngineRuns:
    """A started engine on the emulator; call it with a checks text."""

    def __init__(self, emulator: EmulatorProcess, samples: SamplePolicy | None = None) -> None:
        arguments = emulator.connect_args
        self._samples = samples or SamplePolicy()
        self._connection = SnowflakeConnection(
            account="emulator", user=arguments["user"], password=arguments["password"], warehouse="", database=arguments["database"],
            schema=arguments["schema"], role="", host=emulator.host, port=emulator.port, protocol="http",
        )  # fmt: skip
        self._loop = asyncio.Runner()
        self._engine = SodaEngine()

    def __enter__(self) -> Self:
        self._loop.run(self._engine.start())
        return self

    def keep(self, samples: SamplePolicy) -> None:
        """Keep failed rows from now on."""
        self._samples = samples

    def __call__(self, checks: str) -> Run:
        request = ScanRequest(
            tenant_id="bench", dataset_id="wide", run_id=uuid.uuid4().hex, attempt=1, connection_id="bench", connection_revision="1",
            connection=self._connection, database="", schema="", table="wide", checks_yaml=checks, samples=self._samples,
        )  # fmt: skip
        started = time.perf_counter()
        outcome = self._loop.run(self._engine.scan(request, NoHistory()))
        seconds = time.perf_counter() - started
        return Run(seconds, {result.line: result.verdict.value for result in outcome.checks}, self._memory_mb())

    def _memory_mb(self) -> float:
        """The most that one worker process holds."""
        workers = psutil.Process(self._engine.zygote.pid).children()
        return max((worker.memory_info().rss for worker in workers), default=0) / 1024**2

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.run(self._engine.close())
        self._loop.close()

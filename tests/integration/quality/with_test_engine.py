"""The quality service as it is, but for its engine: scans whose text says what becomes of them, without any warehouse.

A checks text of one line `engine: <what>`: `pass`, `fail`, `slow <seconds>`, `unreachable`, `refused`, `mute <seconds>` (blocks
the whole process, as a stopped machine would), with the row that it writes to the side as proof that it ran.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from services.common.cli import migrate_with, run_service
from services.quality.domain.history import HistoryReader
from services.quality.domain.scan import (
    CheckResult,
    CheckVerdict,
    FailedRows,
    ScanFailed,
    ScanFailure,
    ScanOutcome,
    ScanRequest,
    ValidatedChecks,
)
from services.quality.main import MIGRATIONS, serve_with
from services.quality.settings import QualitySettings

_FAILURES = {
    "unreachable": (ScanFailure.WAREHOUSE_UNREACHABLE, "The warehouse could not be reached."),
    "refused": (ScanFailure.WAREHOUSE_REFUSED_LOGIN, "The warehouse refused the login."),
    "invalid": (ScanFailure.INVALID_CHECKS, "line 1: unknown check"),
}


class TestEngine:
    """`app.ports.ScanEngine`; one line in `scans.txt` for each scan that starts, one in `stopped.txt` for each that is stopped."""

    __test__ = False

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def scan(self, request: ScanRequest, history: HistoryReader) -> ScanOutcome:
        self._note("scans.txt", request)
        word, _, seconds = request.checks_yaml.removeprefix("engine: ").strip().partition(" ")
        if word == "mute":
            time.sleep(float(seconds))  # noqa: ASYNC251 -- that is the point: the process does nothing else
        try:
            await asyncio.sleep(float(seconds or 0))
        except asyncio.CancelledError:
            self._note("stopped.txt", request)
            raise
        if word in _FAILURES:
            raise ScanFailed(*_FAILURES[word])
        verdict = CheckVerdict.FAIL if word == "fail" else CheckVerdict.PASS
        rows = FailedRows(("id",), (("1",),)) if word == "fail" else None
        check = CheckResult("c1", "one check", "row_count > 0", request.table, "", verdict, 1.0, "> 0", 1, "", "", 1, {}, rows)
        return ScanOutcome((check,), (), 1, 0.0)

    async def validate(self, text: str) -> ValidatedChecks:
        return ValidatedChecks((), (), text, (), (), ())

    def _note(self, file: str, request: ScanRequest) -> None:
        with (self._directory / file).open("a") as notes:
            notes.write(f"{request.run_id} {request.attempt} {os.getpid()}\n")


async def _serve(settings: QualitySettings, stack: AsyncExitStack) -> None:
    await serve_with(settings, stack, TestEngine(Path.cwd()))


if __name__ == "__main__":
    migrate = partial(migrate_with, directory=MIGRATIONS, schema="quality")
    sys.exit(run_service("quality", QualitySettings, migrate=migrate, serve=_serve))

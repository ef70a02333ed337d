"""Parses checks without running them."""

from __future__ import annotations

from services.quality.app.bounded import Bounded
from services.quality.app.ports import ScanEngine
from services.quality.domain.errors import ScanWorkerDied
from services.quality.domain.scan import CheckProblem, ScanFailed, ValidatedChecks

MAX_CHECKS_BYTES = 256 * 1024


class ValidateChecks:
    """Answers what is wrong instead of raising: a text with errors is what this call is for."""

    def __init__(self, engine: ScanEngine, bounded: Bounded) -> None:
        self._engine = engine
        self._bounded = bounded

    async def execute(self, caller: str, checks_yaml: str) -> ValidatedChecks:
        """`caller` names whom the bound is held against. Raises QuotaExceeded and ScanWorkerDied."""
        problem = size_problem(checks_yaml)
        if problem:
            return ValidatedChecks((problem,), (), "", (), (), ())
        async with self._bounded.place(caller):
            try:
                return await self._engine.validate(checks_yaml)
            except ScanFailed as failure:
                raise ScanWorkerDied(failure.message) from failure


def size_problem(checks_yaml: str) -> CheckProblem | None:
    """Answer what is wrong with the size of the text; None when nothing is."""
    size = len(checks_yaml.encode("utf-8", "replace"))
    if size > MAX_CHECKS_BYTES:
        return CheckProblem(0, 0, f"the text has {size // 1024} KiB, expected at most {MAX_CHECKS_BYTES // 1024} KiB")
    return None

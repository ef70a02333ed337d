"""Lists runs, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.quality.app.ports import RunStore
from services.quality.domain.run import Run, RunFilter, RunKey


@dataclass(frozen=True, slots=True)
class RunPage:
    """A page of runs; `next_key` is None on the last."""

    runs: Sequence[Run]
    next_key: RunKey | None


class ListRuns:
    """Answers pages of runs without their results."""

    def __init__(self, runs: RunStore) -> None:
        self._runs = runs

    async def execute(self, tenant_id: str, wanted: RunFilter, page_size: int, after: RunKey | None) -> RunPage:
        # One more than asked for: its presence tells that there is a next page.
        found = await self._runs.list(tenant_id, wanted, page_size + 1, after)
        page = found[:page_size]
        more = len(found) > page_size
        return RunPage(page, RunKey(page[-1].create_time, page[-1].id) if more else None)

"""Lists findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.drift.app.ports import FindingStore, Registry
from services.drift.domain.record import Finding, FindingFilter, Key


@dataclass(frozen=True, slots=True)
class FindingPage:
    """One page; `next_key` is None on the last."""

    findings: Sequence[Finding]
    next_key: Key | None


class ListDrifts:
    """Answers findings, newest first, without plots."""

    def __init__(self, findings: FindingStore, registry: Registry) -> None:
        self._findings = findings
        self._registry = registry

    async def execute(self, tenant_id: str, wanted: FindingFilter, size: int, after: Key | None) -> FindingPage:
        """Raises DatasetNotFound when the filter names a dataset that is not there and nothing was ever found in it."""
        found = await self._findings.list(tenant_id, wanted, size + 1, after)
        if not found and wanted.dataset_id:
            await self._registry.require(tenant_id, wanted.dataset_id)
        page = found[:size]
        return FindingPage(page, Key(page[-1].create_time, page[-1].id) if len(found) > size else None)

"""Answers one finding."""

from __future__ import annotations

from services.drift.app.ports import FindingStore
from services.drift.domain.record import Finding


class GetDrift:
    """Answers a finding with its plots."""

    def __init__(self, findings: FindingStore) -> None:
        self._findings = findings

    async def execute(self, tenant_id: str, finding_id: str) -> Finding:
        """Raises DriftNotFound."""
        return await self._findings.get(tenant_id, finding_id)

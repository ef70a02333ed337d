"""What the engine asks of stored history while it scans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.quality.domain.scan import HistoryQuery, Measurement


class HistoryReader(Protocol):
    """Reads earlier measurements of the dataset that is being scanned."""

    async def measurements(self, query: HistoryQuery) -> Sequence[Measurement]:
        """Answer at most `query.limit` measurements, newest first; none when the metric was never measured."""
        ...


class NoHistory:
    """History of a dataset that never ran: a preview, or the first run."""

    async def measurements(self, query: HistoryQuery) -> Sequence[Measurement]:
        return ()

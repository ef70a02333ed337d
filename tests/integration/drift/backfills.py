"""Starting backfills and waiting for them."""

from __future__ import annotations

import asyncio
from typing import Any

from chalkandduster.drift.v1 import backfill_pb2
from services.drift.domain.backfill import BackfillState
from tests.integration.drift.harness import Drift


async def started(drift: Drift, dataset: str, **fields: Any) -> Any:
    return await drift.user("editor").call("StartBackfill", backfill_pb2.StartBackfillRequest(dataset_id=dataset, **fields))


async def ended(drift: Drift, dataset: str) -> Any:
    """The backfill once it has ended."""
    async with asyncio.timeout(30):
        while True:
            found = await drift.user("viewer").call("GetBackfill", backfill_pb2.GetBackfillRequest(dataset_id=dataset))
            if BackfillState(backfill_pb2.Backfill.State.Name(found.state)).ended:
                return found
            await asyncio.sleep(0.05)

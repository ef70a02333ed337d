"""Takes runs from workers that stopped renewing."""

from __future__ import annotations

import logging

from services.quality.app.ports import WorkQueue

_log = logging.getLogger(__name__)


class ExpireLeases:
    """A killed or stuck worker's runs are tried again; one whose attempts are used up ends."""

    def __init__(self, queue: WorkQueue) -> None:
        self._queue = queue

    async def execute(self) -> None:
        while expired := await self._queue.expire_lease():
            _log.warning(
                "took a run from a worker that stopped renewing",
                extra={"run_id": expired.run_id, "tenant_id": expired.tenant_id, "state": expired.state.value, "worker": expired.worker},
            )

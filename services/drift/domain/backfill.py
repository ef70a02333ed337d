"""Backfills: profiles of a table's past."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class BackfillState(StrEnum):
    """Where a backfill is in its life."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    ERRORED = "ERRORED"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        return self in (BackfillState.SUCCEEDED, BackfillState.ERRORED, BackfillState.CANCELLED)


class BackfillSource(StrEnum):
    """Where the past comes from."""

    PARTITION_COLUMN = "PARTITION_COLUMN"
    TIME_TRAVEL = "TIME_TRAVEL"


@dataclass(frozen=True, slots=True)
class Backfill:
    """One backfill with its progress."""

    id: str
    dataset_id: str
    state: BackfillState
    source: BackfillSource
    max_partitions: int
    create_time: datetime
    requested_by: str = ""
    from_time: datetime | None = None
    to_time: datetime | None = None
    partitions_total: int = 0
    partitions_done: int = 0
    cancel_requested: bool = False
    error_reason: str = ""
    error_message: str = ""
    start_time: datetime | None = None
    end_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClaimedBackfill:
    """A backfill that a worker holds, and the token without which nothing is recorded."""

    id: str
    tenant_id: str
    dataset_id: str
    source: BackfillSource
    max_partitions: int
    requested_by: str
    lease_token: str

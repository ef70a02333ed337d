"""Settings of the drift service."""

from __future__ import annotations

from pydantic import Field

from services.common.settings import ServiceSettings


class DriftSettings(ServiceSettings):
    """`ServiceSettings`, and what only drift needs."""

    registry_address: str = Field(min_length=1)
    """`host:port` of the registry."""

    evaluation_seconds: float = Field(default=270, gt=0, le=86_400)
    """How long an evaluation may take; less than what quality waits for it, so that a partial result still reaches the run."""
    drift_statement_seconds: float = Field(default=120, gt=0, le=86_400)
    """How long one statement of a profile may take in the warehouse."""
    warehouse_sessions: int = Field(default=8, ge=1, le=64)
    """Sessions on warehouses that this process has open at once."""

    backfill_workers: int = Field(default=1, ge=0, le=16)
    """Backfills that run at the same time in this process; 0 for a process that only answers calls."""
    backfill_lease_seconds: float = Field(default=60, ge=1, le=3600)
    """After this long without a sign of life from its worker a backfill is given to another; renewed at a quarter of it."""
    backfill_patience_seconds: float = Field(default=60, ge=0, le=3600)
    """How long the first evaluation of a dataset waits for its history."""

    profile_retention_days: float = Field(default=400, gt=0)
    """How long profiles are kept; the newest 100 of a dataset are kept longer."""
    finding_retention_days: float = Field(default=800, gt=0)
    """How long findings and evaluations are kept, and what is known of datasets that nobody evaluates any more."""

"""Settings of the quality service."""

from __future__ import annotations

from pydantic import Field, SecretStr

from services.common.settings import ServiceSettings


class QualitySettings(ServiceSettings):
    """`ServiceSettings`, and what only quality needs."""

    registry_address: str = Field(min_length=1)
    """`host:port` of the registry."""
    drift_address: str | None = Field(default=None, min_length=1)
    """`host:port` of the drift service. Absent: runs evaluate no drift."""
    listen_database_url: SecretStr | None = None
    """DSN that leads to Postgres itself, for notifications. Absent: `database_url`; needed when that is a pooler."""

    workers: int = Field(default=2, ge=0, le=64)
    """Runs that execute at the same time in this process; 0 for a process that only answers calls. At shutdown they have
    `shutdown_grace_seconds` to end; the rest goes back to the queue."""
    scheduler: bool = True
    """Whether this process fires schedules; any number of processes may."""

    lease_seconds: float = Field(default=20, ge=1, le=600)
    """After this long without a sign of life from its worker a run is given to another; renewed at a quarter of it."""
    retry_delays_seconds: tuple[float, ...] = (2.0, 5.0, 11.0)
    """Waits before a run is tried again after a failure of the infrastructure, as JSON; one attempt more than waits."""
    outage_patience_seconds: float = Field(default=900, ge=0)
    """How long a run waits for registry or database to come back before an attempt counts against it."""
    record_patience_seconds: float = Field(default=120, ge=0)
    """How long a finished result is kept while the database is away; after it the run is executed again."""

    scan_deadline_seconds: float = Field(default=300, gt=0, le=86_400)
    """How long the scan of a run may take."""
    statement_timeout_seconds: float = Field(default=120, gt=0, le=86_400)
    """How long one statement in the warehouse may take."""
    preview_seconds: float = Field(default=60, gt=0, le=60)
    """How long a preview may take."""
    previews_at_once: int = Field(default=2, ge=1, le=64)
    """Previews in this process at the same time; one tenant has half of them, and at least one."""
    validations_at_once: int = Field(default=4, ge=1, le=64)
    """Texts that are parsed in this process at the same time."""

    schedule_poll_seconds: float = Field(default=1, gt=0, le=60)
    """How often due schedules are looked for."""
    default_concurrent_runs: int = Field(default=4, ge=1, le=100)
    """Cap of a tenant's concurrent runs until the registry has told its own."""
    measurement_retention_days: float = Field(default=100, gt=0)
    """How long metric values are kept for later checks; the newest 100 of a metric are kept longer."""
    run_retention_days: float = Field(default=400, gt=0)
    """How long ended runs are kept, with their results and rows."""

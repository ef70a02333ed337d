"""Settings of the registry."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.common.settings import ServiceSettings


class RegistrySettings(ServiceSettings):
    """What the registry needs beyond what every service does."""

    kek_file: Path
    """The keys that wrap the keys of sealed secrets. Required here: the registry keeps credentials."""
    quality_address: str = Field(min_length=1)
    """`host:port` of the quality service, or `dns:///name:port` for several."""
    drift_address: str | None = Field(default=None, min_length=1)
    """`host:port` of the drift service, which reads drift settings on save. Absent: only their shape is judged."""

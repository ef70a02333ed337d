"""What a run needs to know about its dataset, as the registry answers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.quality.domain.connection import ConnectionSpec
from services.quality.domain.scan import SamplePolicy


@dataclass(frozen=True, slots=True)
class ResolvedConnection:
    """A connection with its secrets opened. Kept in memory for as long as a scan lasts, never stored or logged."""

    id: str
    name: str
    revision: str
    """Changes whenever something changes that a live login depends on."""
    spec: ConnectionSpec


@dataclass(frozen=True, slots=True)
class DatasetDefinition:
    """A dataset, its connection, and what its tenant may do."""

    id: str
    name: str
    database: str
    schema: str
    table: str
    checks_yaml: str
    variables: Mapping[str, str]
    samples: SamplePolicy
    connection: ResolvedConnection = field(repr=False)
    max_concurrent_runs: int
    tenant_active: bool

    @property
    def has_checks(self) -> bool:
        return bool(self.checks_yaml.strip())

"""What is watched in a dataset, and how closely: the content of `drift_yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from services.drift.profiling.plan import Grain

DEFAULT_BACKFILL = 90
MAX_BACKFILL = 1000


class Watched(StrEnum):
    """A kind of drift."""

    SCHEMA = "schema"
    VOLUME = "volume"
    DISTRIBUTION = "distribution"


class SchemaChange(StrEnum):
    """A kind of change of the columns."""

    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    WIDENED = "widened"
    NARROWED = "narrowed"
    NULLABILITY = "nullability"
    REORDERED = "reordered"


class SchemaRule(StrEnum):
    """How loud a change of the columns is told."""

    IGNORE = "ignore"
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Partitioning:
    """How the table is cut by time."""

    column: str
    grain: Grain = Grain.DAY
    timezone: str = "UTC"
    """IANA zone in which a partition begins."""
    delay_hours: float = 0.0
    """How long after its end a partition still fills."""


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """All settings of a dataset, defaults filled in."""

    watch: frozenset[Watched] = frozenset(Watched)
    sensitivity: float = 1.0
    """Above 1 alarms sooner: low is 0.75, high is 1.3."""
    false_alarms: float = 1 / 200
    """Clean partitions that may alarm, as a share."""
    partition: Partitioning | None = None
    """None: the whole table is profiled, once a `grain`."""
    grain: Grain = Grain.DAY
    """Without a partition column: profiles taken within the same day (hour, week) stand for each other, the last one counts."""
    timezone: str = "UTC"
    holidays: str = ""
    """Country code, with a subdivision as in `AT-9`; empty for none."""
    include: tuple[str, ...] = ()
    """Columns that are profiled, by name or shell pattern; empty for all."""
    exclude: tuple[str, ...] = ()
    """Columns that are not profiled."""
    muted: tuple[str, ...] = ()
    """Columns that are profiled and never alarm."""
    sensitive: tuple[str, ...] = ()
    """Columns whose frequent values leave the warehouse as hashes only."""
    top_values: bool = True
    """False: no values leave the warehouse, not even hashed."""
    schema_rules: Mapping[SchemaChange, SchemaRule] = field(default_factory=dict)
    """Changes that are told otherwise than by default: as loud as the change is harmful, and not at all when reordered."""
    sample: float = 1.0
    """Share of the rows that is read."""
    backfill: int = DEFAULT_BACKFILL
    """Partitions of the table's past that the first evaluation asks for; 0 for none."""
    adopt_after: int = 10
    """Partitions that a change has to hold until it is the new normal by itself; 0 for never."""

    @property
    def layout(self) -> str:
        """What makes profiles comparable with each other: another layout starts a history of its own."""
        if self.partition is None:
            return f"table/{self.grain.value}"
        return f"{self.partition.column}/{self.partition.grain.value}/{self.partition.timezone}"

    @property
    def zone(self) -> str:
        """IANA zone that partitions are named in."""
        return self.partition.timezone if self.partition else self.timezone

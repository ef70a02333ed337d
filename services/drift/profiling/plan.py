"""What to profile and how: the input of SQL generation, frozen so that a stored profile can say how it was made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from services.drift.domain.profile import ColumnKind


class Grain(StrEnum):
    """Width of a partition; VALUE groups by the column's own values (tables partitioned by a date or a text key)."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    VALUE = "value"


PERIODS: dict[Grain, float] = {Grain.HOUR: 3600.0, Grain.DAY: 86400.0, Grain.WEEK: 604800.0, Grain.MONTH: 31 * 86400.0}


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    name: str
    kind: ColumnKind
    edges: tuple[float, ...] = ()
    """Histogram edges of the baseline; empty while there is no baseline yet."""
    sensitive: bool = False
    """True: top values leave the warehouse as salted hashes only."""
    top: bool = True
    """False for columns that hold a key: their most frequent values say nothing and cost a large sort."""
    declared_type: str = ""


@dataclass(frozen=True, slots=True)
class ProfilePlan:
    """One table, its columns, and the slice of it to profile."""

    table: tuple[str, ...]
    """Identifier parts, outermost first: (database, schema, table) or fewer."""
    columns: tuple[ColumnPlan, ...]
    partition_column: str | None = None
    grain: Grain = Grain.DAY
    start: str | None = None
    """ISO timestamp, inclusive; with `end` (exclusive) it bounds a backfill to the partitions still missing."""
    end: str | None = None
    period_seconds: float | None = None
    """Width of a partition, to count times outside it; None takes it from the grain."""
    as_of: str | None = None
    """ISO moment of profiling, the anchor of times when there is no partition column."""
    sample: float = 1.0
    """Share of rows to read, 0 < sample <= 1."""
    salt: str = ""
    """Per-tenant salt for hashed top values."""
    top_values: int = 40
    exact_distinct: bool = False
    """Exact distinct counts: worth it for small partitions, where a sketch's 2 % error hides a fault."""
    max_statement_columns: int = 60
    """Columns per statement: 60 keep the text under 256 kB, well below Snowflake's 1 MB limit."""

    @property
    def period(self) -> float | None:
        """Seconds a partition spans, or None when that is not known."""
        return self.period_seconds or (None if self.partition_column is None else PERIODS.get(self.grain))

    def __post_init__(self) -> None:
        if not 0 < self.sample <= 1:
            raise ValueError(f"sample must be in (0, 1], not {self.sample}")
        if not self.table:
            raise ValueError("table needs at least one identifier")

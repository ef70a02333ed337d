"""Datasets: a table that is watched, and the checks that say what is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SamplePolicy:
    """Whether rows that fail a check are kept."""

    limit: int = 0
    """Rows kept per check; 0 keeps none."""
    excluded_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetDraft:
    """A dataset as a caller wants it."""

    name: str
    connection_id: str
    table: str
    schema: str = ""
    """Empty for the connection's."""
    database: str = ""
    """Empty for the connection's."""
    checks_yaml: str = ""
    drift_yaml: str = ""
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    samples: SamplePolicy | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset as it is kept."""

    id: str
    tenant_id: str
    content: DatasetDraft
    check_count: int
    create_time: datetime
    update_time: datetime
    revision: int = 1
    """Counts the changes; the etag is made of it."""


@dataclass(frozen=True, slots=True)
class CheckProblem:
    """One thing wrong with checks as written."""

    line: int
    """1-based; 0 when it is about the whole text."""
    column: int
    """1-based; 0 when unknown."""
    message: str

    def __str__(self) -> str:
        place = ", ".join(f"{word} {number}" for word, number in (("line", self.line), ("column", self.column)) if number)
        return f"{place}: {self.message}" if place else self.message


@dataclass(frozen=True, slots=True)
class ParsedChecks:
    """What a parser made of checks as written."""

    problems: tuple[CheckProblem, ...]
    count: int
    """Checks declared."""


@dataclass(frozen=True, slots=True)
class DatasetUsage:
    """What would be left hanging without a dataset."""

    has_schedule: bool
    active_run_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatasetFilter:
    """Which datasets of a list; empty fields filter nothing, the others are combined with AND."""

    name: str = ""
    connection_id: str = ""
    tag: str = ""
    owner: str = ""

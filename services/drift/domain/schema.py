"""Columns of a table as its catalogue tells them, and what may change between two looks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class SchemaColumn:
    name: str
    type: str
    nullable: bool = True
    ordinal: int = 0
    """Position in the table from 1; the order of the catalogue's answer means nothing."""


class ChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    TYPE_CHANGED = "type_changed"
    NULLABLE_CHANGED = "nullable_changed"
    REORDERED = "reordered"


class TypeDirection(StrEnum):
    """What a new type does to values already there."""

    WIDENED = "widened"
    NARROWED = "narrowed"
    OTHER = "other"
    """Another kind of value, or a change of time zone meaning."""


@dataclass(frozen=True, slots=True)
class SchemaChange:
    kind: ChangeKind
    column: str
    """Name before the change; for ADDED the new name; empty for REORDERED."""
    to: str | None = None
    """New name of a RENAMED column, new type of a TYPE_CHANGED one, "null" or "not null" of a NULLABLE_CHANGED one."""
    was: str | None = None
    direction: TypeDirection | None = None
    confidence: float = 1.0
    """Below 1 for a rename, which is always a guess."""
    columns: tuple[str, ...] = ()
    """The columns that moved, of REORDERED."""
    reasons: tuple[str, ...] = ()
    """Why a rename was guessed, in plain words."""

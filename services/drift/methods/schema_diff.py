"""What changed between two looks at a table's columns. Case of names and the order of the catalogue's answer never matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from services.drift.domain.profile import Profile
from services.drift.domain.schema import ChangeKind, SchemaChange, SchemaColumn
from services.drift.methods.column_types import direction, parse_type
from services.drift.methods.rename import Likeness, likeness, name_likeness, profile_likeness

RENAME_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class Look:
    """A table's columns at one moment, with its profile when there is one."""

    columns: Sequence[SchemaColumn]
    profile: Profile | None = None


def schema_diff(
    before: Look, after: Look, dialect: str = "snowflake", rename_confidence: float = RENAME_CONFIDENCE
) -> tuple[SchemaChange, ...]:
    """Changes in the order of the table's columns. A guessed rename takes the place of a removal and an addition."""
    old, new = ({c.name.casefold(): c for c in sorted(look.columns, key=lambda c: c.ordinal)} for look in (before, after))
    gone, come = ([c for key, c in mine.items() if key not in other] for mine, other in ((old, new), (new, old)))
    renames = _renames(before, after, gone, come, dialect, rename_confidence)
    taken = {c.name for c, _, _ in renames} | {c.name for _, c, _ in renames}
    pairs = [(old[key], new[key]) for key in old if key in new] + [(a, b) for a, b, _ in renames]
    changes = [
        SchemaChange(ChangeKind.RENAMED, a.name, to=b.name, confidence=round(found.confidence, 3), reasons=found.reasons)
        for a, b, found in renames
    ]
    for a, b in pairs:
        changes += _column_changes(a, b, dialect)
    changes += [SchemaChange(ChangeKind.REMOVED, c.name, was=c.type) for c in gone if c.name not in taken]
    changes += [SchemaChange(ChangeKind.ADDED, c.name, to=c.type) for c in come if c.name not in taken]
    # A renamed column is often written anew at the end: its place is part of the rename, not a reordering.
    moved = _moved([(a, b) for a, b in pairs if a.name.casefold() == b.name.casefold()])
    if moved:
        changes.append(SchemaChange(ChangeKind.REORDERED, "", columns=moved))
    return tuple(changes)


def _column_changes(a: SchemaColumn, b: SchemaColumn, dialect: str) -> list[SchemaChange]:
    out = []
    old, new = parse_type(a.type, dialect), parse_type(b.type, dialect)
    if old != new:
        out.append(SchemaChange(ChangeKind.TYPE_CHANGED, b.name, to=b.type, was=a.type, direction=direction(old, new)))
    if a.nullable != b.nullable:
        names = {True: "null", False: "not null"}
        out.append(SchemaChange(ChangeKind.NULLABLE_CHANGED, b.name, to=names[b.nullable], was=names[a.nullable]))
    return out


def _places(columns: Sequence[SchemaColumn], shared: set[str]) -> dict[str, tuple[int, float]]:
    """Per column: how many shared columns stand before it, and its own place within that gap."""
    out, count, inside = {}, 0, 0
    for column in sorted(columns, key=lambda c: c.ordinal):
        if column.name.casefold() in shared:
            count, inside = count + 1, 0
        else:
            out[column.name] = (count, float(inside))
            inside += 1
    return out


def _renames(
    before: Look, after: Look, gone: Sequence[SchemaColumn], come: Sequence[SchemaColumn], dialect: str, least: float
) -> list[tuple[SchemaColumn, SchemaColumn, Likeness]]:
    """Best one-to-one pairing of columns that went with columns that came."""
    if not gone or not come:
        return []
    shared = {c.name.casefold() for c in before.columns} & {c.name.casefold() for c in after.columns}
    old_places, new_places = _places(before.columns, shared), _places(after.columns, shared)
    found = [[_pair(before, after, a, b, dialect, old_places[a.name], new_places[b.name]) for b in come] for a in gone]
    rows, columns = linear_sum_assignment(-np.array([[f.confidence for f in row] for row in found]))
    return [(gone[i], come[j], found[i][j]) for i, j in zip(rows, columns, strict=True) if found[i][j].confidence >= least]


def _pair(
    before: Look, after: Look, a: SchemaColumn, b: SchemaColumn, dialect: str, old_place: tuple[int, float], new_place: tuple[int, float]
) -> Likeness:
    old, new = parse_type(a.type, dialect), parse_type(b.type, dialect)
    content = None
    if before.profile is not None and after.profile is not None:
        content = profile_likeness(before.profile.column(a.name), after.profile.column(b.name), before.profile.rows, after.profile.rows)
    place = 1.0 if old_place == new_place else 0.5 if old_place[0] == new_place[0] else 0.0
    return likeness(name_likeness(a.name, b.name), content, old == new, old.kind is new.kind, place)


def _moved(pairs: Sequence[tuple[SchemaColumn, SchemaColumn]]) -> tuple[str, ...]:
    """Columns whose rank among the shared ones is another, by their new names."""
    ordered = sorted(pairs, key=lambda p: p[0].ordinal)
    ranks = {id(p): i for i, p in enumerate(sorted(pairs, key=lambda p: p[1].ordinal))}
    places = [ranks[id(p)] for p in ordered]
    return tuple(p[1].name for i, p in enumerate(ordered) if places[i] != i)

"""A load that repeats an earlier one value for value: stale or duplicated, whatever the statistics say of it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from services.drift.domain.profile import ColumnKind, ColumnProfile, Profile

INFORMATIVE = 3
"""Columns with more than one value that must agree before a repetition counts."""


def signature_of(profile: Profile) -> tuple[int, ...]:
    """One checksum per column: of counts, ends, mean and the most frequent values. 0 for a column with at most one value."""
    return tuple(_column(c) for c in profile.columns)


def _column(column: ColumnProfile) -> int:
    if column.distinct is None or column.distinct <= 1:
        return 0
    mean = None if column.mean is None or column.kind is ColumnKind.TIME else f"{column.mean:.7g}"
    parts = (column.name, column.nulls, column.distinct, column.low, column.high, mean, column.top[:10])
    return zlib.crc32(repr(parts).encode()) or 1


def repeated_load(past: Sequence[tuple[str, tuple[int, ...]]], current: tuple[int, ...], profile: Profile) -> str | None:
    """The earlier partition that this one repeats, latest first, or None."""
    informative = [i for i, s in enumerate(current) if s]
    if len(informative) < INFORMATIVE or profile.rows == 0:
        return None
    for partition, signature in reversed(past):
        if partition != profile.partition and len(signature) == len(current) and all(signature[i] == current[i] for i in informative):
            return partition
    return None

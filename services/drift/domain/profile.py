"""A profile: what one partition (or one whole table at one moment) looked like, in figures and never in rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

QUANTILE_LEVELS: tuple[float, ...] = (0.01, 0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.99)
"""Levels every numeric and time quantile list is taken at; part of the stored format, so never reorder."""

FORMAT_VERSION = 1
BYTES_PER_COLUMN = 800
LEAST_COLUMNS = 20
"""Columns that even a narrow table may take the room of."""
LEAST_VALUES = 8


class ColumnKind(StrEnum):
    """How a column is measured, whatever its exact type is called in the warehouse."""

    NUMBER = "number"
    TEXT = "text"
    TIME = "time"
    FLAG = "flag"
    OTHER = "other"
    """Semi-structured, binary and unknown types: only nulls are counted."""


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """Figures of one column. Counts are of rows; None says "not measured" or "no value to measure"."""

    name: str
    kind: ColumnKind
    nulls: int = 0
    distinct: int | None = None
    """Distinct non-null values, approximate on large tables."""
    low: float | None = None
    """Smallest value: a number, a length of text, or seconds since 1970 for times."""
    high: float | None = None
    mean: float | None = None
    """Mean of the number, of the text length, or of the seconds between partition start and the time."""
    stddev: float | None = None
    quantiles: tuple[float, ...] = ()
    """At QUANTILE_LEVELS: of numbers, or of seconds since the partition's start for times."""
    edges: tuple[float, ...] = ()
    histogram: tuple[int, ...] = ()
    """len(edges) + 1 counts: (-inf, e0], (e0, e1] … (e_last, inf). Edges are frozen by the baseline."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Rows with a property: "zero", "negative", "integer", "empty", "number", "date", "upper", "trimmed" …"""
    hours: tuple[int, ...] = ()
    """Rows per hour of day, 24 counts, for times."""
    top: tuple[tuple[str, int], ...] = ()
    """Most frequent values with counts, most frequent first; values are hashed when the column is sensitive."""
    declared_type: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """Figures of one partition of one table."""

    partition: str
    """ISO start of the partition, or the moment of profiling for a whole table."""
    rows: int
    columns: tuple[ColumnProfile, ...]
    distinct_rows: int | None = None
    newest: str | None = None
    """Newest value of the partition column, ISO, or None without one."""
    sampled: float = 1.0
    """Share of rows read; 1.0 is all. Counts are of the rows read, `rows` too."""
    complete: bool = True
    """False when a statement timed out and some columns are missing: `missing` names them."""
    missing: tuple[str, ...] = ()

    def column(self, name: str) -> ColumnProfile | None:
        """The column called `name`, exactly, or None."""
        return next((c for c in self.columns if c.name == name), None)


def _short(value: float | None) -> float | int | None:
    """Nine significant digits keep any figure a person reads, and halve the JSON."""
    if value is None:
        return None
    rounded = float(f"{value:.9g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _column_to_list(c: ColumnProfile) -> list[Any]:
    return [
        c.name,
        c.kind.value,
        c.nulls,
        c.distinct,
        _short(c.low),
        _short(c.high),
        _short(c.mean),
        _short(c.stddev),
        [_short(q) for q in c.quantiles],
        [_short(e) for e in c.edges],
        list(c.histogram),
        dict(c.counts),
        list(c.hours),
        [list(t) for t in c.top],
        c.declared_type,
    ]


def _column_from_list(v: list[Any]) -> ColumnProfile:
    return ColumnProfile(
        name=v[0],
        kind=ColumnKind(v[1]),
        nulls=v[2],
        distinct=v[3],
        low=v[4],
        high=v[5],
        mean=v[6],
        stddev=v[7],
        quantiles=tuple(v[8]),
        edges=tuple(v[9]),
        histogram=tuple(v[10]),
        counts=v[11],
        hours=tuple(v[12]),
        top=tuple((t[0], t[1]) for t in v[13]),
        declared_type=v[14],
    )


def encode_profile(profile: Profile) -> str:
    """Compact JSON, under 40 kB for 50 columns; positional per column because names repeat 50 times.

    Where frequent values are long, the rarest of them are left out until the text fits.
    """
    text, keep = _encoded(profile), max((len(c.top) for c in profile.columns), default=0)
    limit = BYTES_PER_COLUMN * max(len(profile.columns), LEAST_COLUMNS)
    while len(text.encode()) > limit and keep > LEAST_VALUES:
        keep = max(LEAST_VALUES, keep * 3 // 4)
        text = _encoded(replace(profile, columns=tuple(replace(c, top=c.top[:keep]) for c in profile.columns)))
    return text


def _encoded(profile: Profile) -> str:
    body = {
        "v": FORMAT_VERSION,
        "p": profile.partition,
        "n": profile.rows,
        "d": profile.distinct_rows,
        "t": profile.newest,
        "s": profile.sampled,
        "ok": profile.complete,
        "m": list(profile.missing),
        "c": [_column_to_list(c) for c in profile.columns],
    }
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def decode_profile(text: str) -> Profile:
    """Inverse of encode_profile. Raises ValueError for a format this version does not know."""
    body = json.loads(text)
    if body.get("v") != FORMAT_VERSION:
        raise ValueError(f"profile format {body.get('v')!r} is not {FORMAT_VERSION}")
    return Profile(
        partition=body["p"],
        rows=body["n"],
        distinct_rows=body["d"],
        newest=body["t"],
        sampled=body["s"],
        complete=body["ok"],
        missing=tuple(body["m"]),
        columns=tuple(_column_from_list(c) for c in body["c"]),
    )

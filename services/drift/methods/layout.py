"""Which figures of a column are watched, and in what terms a move of each is measured.

Every watched figure is a share of rows, a distance between distributions, or a log-like magnitude at a quantile: a move must be carried
by a share of the rows. Minimum, maximum, mean and standard deviation are in the profile but never alarm: one odd row moves them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from services.drift.domain.profile import ColumnKind, Profile

NUMBER_SHARES = ("zero", "negative", "integer", "tenth")
TEXT_SHARES = ("empty", "number", "date", "upper", "lower", "trimmed", "digit_first", "zero_first", "plain", "quoted")
FIXED: dict[ColumnKind, tuple[str, ...]] = {
    ColumnKind.NUMBER: ("null", *NUMBER_SHARES, "nonfinite", "q05", "q95"),
    ColumnKind.TEXT: ("null", *TEXT_SHARES, "distinct", "length"),
    ColumnKind.TIME: ("null", "midnight", "outside", "distinct_share", "q05", "q95"),
    ColumnKind.FLAG: ("null", "true"),
    ColumnKind.OTHER: ("null",),
}
BLOCK_METRICS = ("ks", "hellinger", "quantile_ks")
CATEGORY_METRICS = ("unseen", "categories", "category", "gain")
DUPLICATES = "duplicates"
TAILS = ("q05", "q95")
FAMILIES = 4

SHARE_FLOOR = 0.12
"""Cohen's h of the smallest relevant move: 0.4 % of rows from nothing, 6 points around one half."""
FLOORS = {"unseen": 0.12, "category": 0.15, "gain": 0.12, "ks": 0.04, "hellinger": 0.06, "categories": 0.06, "quantile_ks": 0.05}
MAGNITUDE_FLOORS = {"distinct": 0.25, "q05": 0.5, "q95": 0.5, "length": 0.12}

Column = tuple[str, ColumnKind]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Layout:
    """Order of the metrics of a table: fixed ones column by column, then blocks, then categories."""

    columns: tuple[Column, ...]
    fixed: int
    blocks: tuple[int, ...]
    """Columns with a histogram (numbers) or an hour histogram (times)."""
    categorical: tuple[int, ...]
    """Columns whose frequent values are followed."""
    names: tuple[tuple[str, str], ...]
    """(column, metric); the table's own metrics have an empty column."""
    owner: npt.NDArray[np.int64]
    """Per metric: 0 for the table, else column index + 1."""
    floors: npt.NDArray[np.float64]
    is_ks: BoolArray
    is_hellinger: BoolArray
    is_linear: BoolArray
    is_tail: BoolArray
    """Over the fixed metrics: the 5th and 95th percentiles, which count only beyond everything accepted."""
    family: npt.NDArray[np.int64]
    """Kinds of evidence: shares, nulls, values in place, categories."""
    tails: tuple[tuple[int, str], ...]
    tail_blocks: dict[int, int]

    def odds(self, moves: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Moves on an unbounded scale: 90 % of the rows is more than 4.5 times 20 %, as odds say."""
        capped = np.minimum(moves, 0.97)
        share = 2 * np.tan(np.minimum(moves, 2.9) / 2)
        bounded = np.where(self.is_ks, capped / (1 - capped), capped / np.sqrt(1 - capped * capped))
        return np.where(self.is_linear, moves, np.where(self.is_ks | self.is_hellinger, bounded, share))


def _family(metric: str) -> int:
    if metric in ("ks", "hellinger", "quantile_ks", "length", *TAILS):
        return 1
    return 2 if metric in (*CATEGORY_METRICS, "distinct") else 3 if metric == "null" else 0


def columns_of(profile: Profile) -> tuple[Column, ...]:
    return tuple((c.name, c.kind) for c in profile.columns)


@lru_cache(maxsize=256)
def layout_of(columns: tuple[Column, ...]) -> Layout:
    """The layout of a table; cached because every profile of a dataset asks for the same one."""
    fixed = [("", DUPLICATES)] + [(name, metric) for name, kind in columns for metric in FIXED[kind]]
    owners = [0] + [i + 1 for i, (_, kind) in enumerate(columns) for _ in FIXED[kind]]
    blocks = tuple(i for i, (_, kind) in enumerate(columns) if kind in (ColumnKind.NUMBER, ColumnKind.TIME))
    categorical = tuple(i for i, (_, kind) in enumerate(columns) if kind in (ColumnKind.NUMBER, ColumnKind.TEXT))
    names = list(fixed)
    for metrics, members in ((BLOCK_METRICS, blocks), (CATEGORY_METRICS, categorical)):
        for metric in metrics:
            names += [(columns[i][0], metric) for i in members]
            owners += [i + 1 for i in members]
    kinds = [metric for _, metric in names]
    return Layout(
        columns=columns,
        fixed=len(fixed),
        blocks=blocks,
        categorical=categorical,
        names=tuple(names),
        owner=np.array(owners),
        floors=np.array([MAGNITUDE_FLOORS.get(m, FLOORS.get(m, SHARE_FLOOR)) for m in kinds]),
        is_ks=np.array([m in ("ks", "quantile_ks") for m in kinds]),
        is_hellinger=np.array([m in ("hellinger", "categories") for m in kinds]),
        is_linear=np.array([m in MAGNITUDE_FLOORS for m in kinds]),
        is_tail=np.array([m in TAILS for _, m in fixed]),
        family=np.array([_family(m) for m in kinds]),
        tails=tuple((at, m) for at, (_, m) in enumerate(fixed) if m in TAILS),
        tail_blocks={at: blocks.index(owners[at] - 1) for at, (_, m) in enumerate(fixed) if m in TAILS},
    )

"""What the engine remembers of a dataset: rings of arrays of fixed length, so memory does not grow with the number of profiles."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from services.drift.domain.profile import ColumnKind
from services.drift.methods.layout import Column, layout_of
from services.drift.methods.measure import BINS, LEVELS, Floats, Measurement, Unit

SLOTS = 30
"""Categories of a column whose shares are followed one by one."""
SEEN_LIMIT = 600
"""Values of a column that are remembered as known."""
SIGNATURES = 30
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Memory:
    """Categories of one column."""

    slots: Mapping[str, int] = field(default_factory=dict)
    seen: Mapping[str, float] = field(default_factory=dict)
    """Known value → largest share it has had."""


@dataclass(frozen=True, slots=True)
class Provisional:
    """A partition that moved: kept aside, so that the same move is not announced twice, until it is accepted or forgotten."""

    number: int
    """Running number of the profile."""
    partition: str
    moved: npt.NDArray[np.bool_]
    """Per owner: the table, then each column."""
    measurement: Measurement
    categories: Floats
    announced: Floats
    """Per owner: surprise at which a move of it was last announced, 0 where none."""
    moves: Floats
    """Per metric, in units of the smallest relevant move: what a "false alarm" verdict teaches."""
    rows: int = 0


@dataclass(frozen=True, slots=True)
class History:
    """Rings over accepted profiles, oldest first. A column that moved has NaN (or size 0) in the row of that profile."""

    columns: tuple[Column, ...]
    units: Mapping[str, Unit]
    number: int
    """Profiles judged so far."""
    seasons: tuple[int, ...]
    values: Floats
    shares: Floats
    sizes: Floats
    quantiles: Floats
    categories: Floats
    category_sizes: Floats
    moves: Floats
    """Past accepted moves in units of the smallest relevant move."""
    reference_errors: Floats
    """[3, fixed + blocks]: usual distance to the long median, the last three, the same season; NaN while unknown."""
    memories: tuple[Memory, ...]
    streaks: tuple[int, ...]
    """Per owner: partitions in a row that it has been away from history."""
    rows: tuple[int, ...] = ()
    provisional: tuple[Provisional, ...] = ()
    signatures: tuple[tuple[str, tuple[int, ...]], ...] = ()
    since: str | None = None
    """First partition of the deviation that is going on."""

    @property
    def length(self) -> int:
        """Accepted profiles in the ring."""
        return len(self.values)


def empty_history(columns: tuple[Column, ...], units: Mapping[str, Unit]) -> History:
    """The state before the first profile."""
    layout = layout_of(columns)
    blocks, texts = len(layout.blocks), len(layout.categorical)
    return History(
        columns=columns,
        units=units,
        number=0,
        seasons=(),
        values=np.zeros((0, layout.fixed)),
        shares=np.zeros((0, blocks, BINS)),
        sizes=np.zeros((0, blocks)),
        quantiles=np.zeros((0, blocks, len(LEVELS))),
        categories=np.zeros((0, texts, SLOTS)),
        category_sizes=np.zeros((0, texts)),
        moves=np.zeros((0, len(layout.names))),
        reference_errors=np.full((3, layout.fixed + blocks), np.nan),
        memories=(Memory(),) * texts,
        streaks=(0,) * (len(columns) + 1),
    )


def push(ring: Floats, row: Floats, limit: int) -> Floats:
    """The ring with one more row, the oldest dropped beyond `limit`."""
    kept = ring[-(limit - 1) :] if len(ring) >= limit else ring
    return np.concatenate([kept, row[None]])


def category_vector(memories: tuple[Memory, ...], tops: tuple[Mapping[str, float], ...]) -> Floats:
    """Shares of the followed categories, [columns, SLOTS]; a category that is not among the frequent ones counts as gone."""
    out = np.zeros((len(tops), SLOTS))
    for row, memory, top in zip(out, memories, tops, strict=True):
        for value, share in top.items():
            slot = memory.slots.get(value)
            if slot is not None:
                row[slot] = share
    return out


def remember(memory: Memory, top: Mapping[str, float], size: float) -> Memory:
    """The memory after an accepted profile."""
    slots, seen = dict(memory.slots), dict(memory.seen)
    few = max(1.0, 20.0 / max(size, 1.0))
    for value, share in top.items():
        if value in seen or len(seen) < SEEN_LIMIT:
            seen[value] = max(seen.get(value, 0.0), share / few)
        if value not in slots and len(slots) < SLOTS:
            slots[value] = len(slots)
    return Memory(slots, seen)


def realign(history: History, columns: tuple[Column, ...], units: Mapping[str, Unit]) -> History:
    """The history under a new set of columns: those with the same name and kind keep their past, new ones start empty."""
    old, new = layout_of(history.columns), layout_of(columns)
    fresh = empty_history(columns, units)
    metric = _positions([*old.names], [*new.names])
    block = _positions([history.columns[i] for i in old.blocks], [columns[i] for i in new.blocks])
    text = _positions([history.columns[i] for i in old.categorical], [columns[i] for i in new.categorical])
    owner = _positions([("", ColumnKind.OTHER), *history.columns], [("", ColumnKind.OTHER), *columns])
    same_kind = {name for name, kind in columns if (name, kind) in set(history.columns)} | {""}
    kept = np.array([i if i >= 0 and new.names[at][0] in same_kind else -1 for at, i in enumerate(metric)], dtype=int)
    return replace(
        fresh,
        number=history.number,
        seasons=history.seasons,
        rows=history.rows,
        units={**units, **history.units},
        values=_take(history.values, kept[: new.fixed], np.nan),
        shares=_take(history.shares, block, 0.0),
        sizes=_take(history.sizes, block, 0.0),
        quantiles=_take(history.quantiles, block, np.nan),
        categories=_take(history.categories, text, 0.0),
        category_sizes=_take(history.category_sizes, text, 0.0),
        moves=_take(history.moves, kept, np.nan),
        reference_errors=_take(
            history.reference_errors, np.concatenate([kept[: new.fixed], np.where(block >= 0, block + old.fixed, -1)]), np.nan
        ),
        memories=tuple(history.memories[i] if i >= 0 else Memory() for i in text),
        streaks=tuple(history.streaks[i] if i >= 0 else 0 for i in owner),
    )


def _positions(old: list[Any], new: list[Any]) -> npt.NDArray[np.int64]:
    found = {key: i for i, key in enumerate(old)}
    return np.array([found.get(key, -1) for key in new], dtype=np.int64)


def _take(ring: Floats, positions: npt.NDArray[np.int64], missing: float) -> Floats:
    if not len(positions) or not ring.shape[1]:
        return np.full((len(ring), len(positions), *ring.shape[2:]), missing)
    taken = ring[:, np.maximum(positions, 0)].copy()
    taken[:, positions < 0] = missing
    return taken


def _pack(array: npt.NDArray[Any], kind: str = "f4") -> dict[str, Any]:
    raw = np.ascontiguousarray(array, dtype=kind).tobytes()
    return {"s": list(array.shape), "t": kind, "b": base64.b85encode(zlib.compress(raw, 6)).decode()}


def _unpack(packed: Mapping[str, Any]) -> npt.NDArray[Any]:
    raw = zlib.decompress(base64.b85decode(packed["b"]))
    array = np.frombuffer(raw, dtype=packed["t"]).reshape(packed["s"])
    return array.astype(bool) if packed["t"] == "?" else array.astype(float)


RINGS = ("values", "shares", "sizes", "quantiles", "categories", "category_sizes", "moves", "reference_errors")
KINDS = {"quantiles": "f8"}
"""Ties between a quantile and a current value must survive the round trip exactly."""


def encode_history(history: History) -> str:
    """JSON text; arrays as compressed floats, of 32 bits where that is far below any sampling error."""
    body: dict[str, Any] = {name: _pack(getattr(history, name), KINDS.get(name, "f4")) for name in RINGS}
    body |= {
        "v": FORMAT,
        "columns": [[n, k.value] for n, k in history.columns],
        "number": history.number,
        "seasons": history.seasons,
        "units": {n: [u.location, u.scale] for n, u in history.units.items()},
        "rows": history.rows,
        "memories": [[dict(m.slots), {k: round(v, 6) for k, v in m.seen.items()}] for m in history.memories],
        "streaks": history.streaks,
        "since": history.since,
        "signatures": history.signatures,
        "provisional": [_encode_provisional(p) for p in history.provisional],
    }
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def _encode_provisional(item: Provisional) -> dict[str, Any]:
    m = item.measurement
    arrays = {
        "values": m.values,
        "errors": m.errors,
        "shares": m.shares,
        "sizes": m.sizes,
        "quantiles": m.quantiles,
        "top_sizes": m.top_sizes,
    }
    return {
        "number": item.number,
        "partition": item.partition,
        "moved": _pack(item.moved, "?"),
        "categories": _pack(item.categories),
        "announced": _pack(item.announced),
        "moves": _pack(item.moves),
        "rows": item.rows,
        "tops": [dict(t) for t in m.tops],
        **{k: _pack(v, KINDS.get(k, "f4")) for k, v in arrays.items()},
    }


def _decode_provisional(body: Mapping[str, Any]) -> Provisional:
    names = ("values", "errors", "shares", "sizes", "quantiles")
    values, errors, shares, sizes, quantiles = (_unpack(body[n]) for n in names)
    measurement = Measurement(values, errors, shares, sizes, quantiles, tuple(body["tops"]), _unpack(body["top_sizes"]))
    return Provisional(
        body["number"],
        body["partition"],
        _unpack(body["moved"]),
        measurement,
        _unpack(body["categories"]),
        _unpack(body["announced"]),
        _unpack(body["moves"]),
        body["rows"],
    )


def decode_history(text: str) -> History:
    """Inverse of encode_history. Raises ValueError for a format this version does not know."""
    body = json.loads(text)
    if body.get("v") != FORMAT:
        raise ValueError(f"drift state format {body.get('v')!r} is not {FORMAT}")
    return History(
        columns=tuple((n, ColumnKind(k)) for n, k in body["columns"]),
        units={n: Unit(*u) for n, u in body["units"].items()},
        number=body["number"],
        seasons=tuple(body["seasons"]),
        rows=tuple(body["rows"]),
        memories=tuple(Memory(m[0], m[1]) for m in body["memories"]),
        streaks=tuple(body["streaks"]),
        since=body["since"],
        signatures=tuple((p, tuple(s)) for p, s in body["signatures"]),
        provisional=tuple(_decode_provisional(p) for p in body["provisional"]),
        **{name: _unpack(body[name]) for name in RINGS},
    )

"""What the volume judge remembers of a series: levels, seasons, errors and short rings, all of bounded size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

PREDICTORS = ("same season", "fast level", "slow level", "coarse season", "last", "last year")
FORMAT = 1


@dataclass(frozen=True, slots=True)
class VolumeState:
    """All counts as y = ln(1 + n). Only accepted points take part in levels, seasons, errors and rings."""

    points: int = 0
    fast: float | None = None
    slow: float | None = None
    season: Mapping[int, float] = field(default_factory=dict)
    coarse: Mapping[int, float] = field(default_factory=dict)
    recent: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    """Per season class: the last five values."""
    last: tuple[float, float] | None = None
    """Last value and the season index it had."""
    year: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Day → value and level, for a year and a little."""
    errors: tuple[float | None, ...] = (None,) * len(PREDICTORS)
    scale: float | None = None
    scales: Mapping[int, float] = field(default_factory=dict)
    ups: tuple[float, ...] = ()
    downs: tuple[float, ...] = ()
    zeros: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """Per coarse class: empty loads, and all loads."""
    holidays: Mapping[str, float] = field(default_factory=dict)
    """Name → how far the last one was from the forecast."""
    quiet: tuple[float, ...] = ()
    repeats: tuple[int, int] = (0, 1)
    """Neighbours that were equal, and all neighbours."""
    previous: tuple[float, ...] = ()
    window: tuple[float, ...] = ()
    """Deseasonalised accepted values, for slow moves."""
    slow_moves: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    pending: tuple[float, ...] = ()
    """Distances from the forecast of the points in a row that are away."""
    pending_zero: bool = False
    cooldown: int = 0
    """Points until a slow move may be told again."""
    since_told: int = 999
    told: float = 0.0
    last_moment: str | None = None


def encode_volume(state: VolumeState) -> str:
    body = asdict(state) | {"v": FORMAT}
    return json.dumps(body, separators=(",", ":"), default=dict)


def decode_volume(text: str) -> VolumeState:
    """Inverse of encode_volume. Raises ValueError for a format this version does not know."""
    body: dict[str, Any] = json.loads(text)
    if body.pop("v", None) != FORMAT:
        raise ValueError("volume state of an unknown format")
    for name in ("season", "coarse", "scales"):
        body[name] = {int(k): v for k, v in body[name].items()}
    for name in ("recent", "zeros", "slow_moves"):
        body[name] = {int(k): tuple(v) for k, v in body[name].items()}
    body["year"] = {k: tuple(v) for k, v in body["year"].items()}
    for name in ("errors", "ups", "downs", "quiet", "repeats", "previous", "window", "pending"):
        body[name] = tuple(body[name])
    body["last"] = None if body["last"] is None else tuple(body["last"])
    return VolumeState(**body)

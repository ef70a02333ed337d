"""The engine's own predictions on the three tracks: judged in order of time, at the default settings, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.drift.data import profiles
from services.drift.domain.profile import ColumnKind, ColumnProfile, Profile
from services.drift.domain.schema import ChangeKind, SchemaColumn
from services.drift.methods.distribution import DistributionSettings, learn, prepare, score_profile
from services.drift.methods.history import History
from services.drift.methods.schema_diff import Look, schema_diff
from services.drift.methods.volume import VolumeSettings, judge_volume
from services.drift.methods.volume_state import VolumeState

STEPS = {"D": 86_400.0, "h": 3_600.0, "W": 604_800.0}
Row = dict[str, Any]


def distribution_track(folder: Path, split: str, data: Any) -> list[Row]:
    """One prediction per partition: alert, score (1 is the threshold), columns in order of contribution."""
    rows: list[Row] = []
    for stream in data.streams:
        rows += _stream(stream, profiles(folder, split, stream, data))
    return rows


def _stream(stream: str, parts: list[Profile]) -> list[Row]:
    settings, history, rows = DistributionSettings(), None, []
    state: History | None = history
    for profile in parts:
        if profile.rows == 0:
            continue
        state = prepare(state, profile)
        scored = score_profile(state, profile, settings)
        warm = state.length >= settings.warm_up
        ranked = [(c, s) for c, s in scored.by_column() if c]
        columns = [c for c, s in ranked if s >= 0.5 * ranked[0][1]][:3]
        rows.append(
            {
                "stream": stream,
                "partition": profile.partition,
                "alert": bool(warm and scored.score >= 1),
                "score": scored.score,
                "columns": columns,
            }
        )
        state = learn(state, profile, scored, settings)
    return rows


def volume_track(series: dict[str, Any]) -> list[Row]:
    rows: list[Row] = []
    for name, (counts, meta) in series.items():
        country = meta["country"] if isinstance(meta["country"], str) else None
        state, settings = VolumeState(), VolumeSettings(country=country, step_seconds=STEPS[meta["freq"]])
        for moment, count in zip(counts.index, counts.to_numpy(), strict=True):
            judged, state = judge_volume(state, moment.to_pydatetime(), float(count), settings)
            rows.append({"series": name, "ts": str(moment), "alert": judged.alert, "score": judged.score})
    return rows


def schema_track(cases: list[dict[str, Any]]) -> list[Row]:
    rows = []
    for case in cases:
        changes = schema_diff(_look(case["before"], case["profile_before"]), _look(case["after"], case["profile_after"]))
        rows.append({"case": case["case"], "changes": [_change(c.kind, c.column, c.to, c.columns) for c in changes]})
    return rows


def _change(kind: ChangeKind, column: str, to: str | None, columns: tuple[str, ...]) -> Row:
    if kind is ChangeKind.REORDERED:
        return {"change": kind.value, "columns": list(columns)}
    return {"change": kind.value, "column": column} | ({"to": to} if kind is ChangeKind.RENAMED else {})


def _look(columns: list[dict[str, Any]], content: dict[str, Any] | None) -> Look:
    found = [SchemaColumn(c["name"], c["type"], c["nullable"], c["ordinal"]) for c in columns]
    if not content:
        return Look(found)
    rows = max((p["n"] for p in content.values()), default=0)
    return Look(found, Profile("bench", rows, tuple(_content(name, p) for name, p in content.items())))


def _content(name: str, p: dict[str, Any]) -> ColumnProfile:
    is_number = "mean" in p
    quantiles = tuple(p["q"].values()) if is_number and all(v is not None for v in p["q"].values()) else ()
    length = p.get("avg_len")
    return ColumnProfile(
        name,
        ColumnKind.NUMBER if is_number else ColumnKind.TEXT if length is not None else ColumnKind.TIME,
        nulls=p["nulls"],
        distinct=p["distinct"],
        mean=p["mean"] if is_number else length,
        stddev=p.get("std") if is_number else max(1.0, 0.1 * (length or 1.0)),
        quantiles=quantiles,
        top=tuple((str(v), n) for v, n in p.get("topk", [])),
    )

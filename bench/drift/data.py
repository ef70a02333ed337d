"""Partitions of the benchmark become profiles by the engine's own SQL, in DuckDB; kept on disk because they never change."""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.util
import json
import pickle
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pandas as pd

from services.drift.domain.profile import ColumnKind, Profile
from services.drift.methods.edges import histogram_edges
from services.drift.profiling.decode import decode_profiles
from services.drift.profiling.dialects import DIALECTS
from services.drift.profiling.plan import ColumnPlan, Grain, ProfilePlan
from services.drift.profiling.statements import build_statements

KINDS = {"numeric": ColumnKind.NUMBER, "string": ColumnKind.TEXT, "timestamp": ColumnKind.TIME}
ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "bench" / "out" / "drift_cache"


def load_module(folder: Path, name: str) -> ModuleType:
    """loader.py or score.py of the data folder, as a module of its own."""
    spec = importlib.util.spec_from_file_location(f"drift_bench_{name}", folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_plan(frame: pd.DataFrame, plan: ProfilePlan) -> list[Profile]:
    """Profiles of a frame by the engine's SQL."""
    connection = duckdb.connect()
    connection.execute("SET threads TO 1")
    connection.register("src_table", frame)
    answers = [(s, connection.execute(s.sql).fetchall()) for s in build_statements(plan, DIALECTS["duckdb"])]
    connection.close()
    return decode_profiles(plan, answers)


def _plan(columns: dict[str, str], edges: dict[str, tuple[float, ...]], period: float | None) -> ProfilePlan:
    return ProfilePlan(
        table=("src_table",),
        columns=tuple(ColumnPlan(c, KINDS[k], edges.get(c, ())) for c, k in columns.items()),
        partition_column="_p" if period else None,
        grain=Grain.VALUE,
        period_seconds=period,
        as_of="2000-01-01",
        exact_distinct=True,
    )


def _period(parts: list[str]) -> float:
    """Width of a partition: the most frequent step between neighbours, as a dataset's settings would say."""
    days = [dt.date.fromisoformat(p[:10]) for p in parts]
    steps = Counter((b - a).days for a, b in pairwise(days))
    return steps.most_common(1)[0][0] * 86400.0


def _code_version() -> str:
    parts = [*sorted((ROOT / "services" / "drift" / "profiling").glob("*.py")), ROOT / "services" / "drift" / "methods" / "edges.py"]
    return hashlib.sha256(b"".join(p.read_bytes() for p in parts)).hexdigest()[:12]


def profiles(folder: Path, split: str, stream: str, data: Any) -> list[Profile]:
    """All partitions of a stream in order of time; unpatched ones are shared by the streams of a table."""
    table = data.streams[stream]["table"]
    base = _cached(f"{split}-{table}", folder, lambda: _base(data, stream))
    edges = {c.name: c.edges for c in next(iter(base.values())).columns}
    patched = _cached(f"{split}-{stream}", folder, lambda: _patched(data, stream, edges))
    return [patched.get(p, base[p]) if p in patched or p in base else Profile(p, 0, ()) for p in data.partitions(stream)]


def _cached(name: str, folder: Path, make: Any) -> dict[str, Profile]:
    key = hashlib.sha256(f"{folder}|{name}|{_code_version()}".encode()).hexdigest()[:10]
    path = CACHE / f"{name}-{key}.pickle"
    if path.exists():
        with path.open("rb") as f:
            loaded: dict[str, Profile] = pickle.load(f)  # noqa: S301 - written by this file
            return loaded
    CACHE.mkdir(parents=True, exist_ok=True)
    for old in CACHE.glob(f"{name}-*.pickle"):
        old.unlink()
    made = {p.partition: p for p in make()}
    with path.open("wb") as f:
        pickle.dump(made, f)
    return made


def _base(data: Any, stream: str) -> list[Profile]:
    columns, parts = data.columns(stream), data.partitions(stream)
    table = data._table(data.streams[stream]["table"])
    first = parts[: parts.index(data.eval_start(stream))]
    pooled = run_plan(pd.concat([table[p] for p in first]), _plan(columns, {}, None))[0]
    edges = {c.name: histogram_edges(c) for c in pooled.columns if c.kind is ColumnKind.NUMBER}
    return run_plan(pd.concat(table.values()), _plan(columns, edges, _period(parts)))


def _patched(data: Any, stream: str, edges: dict[str, tuple[float, ...]]) -> list[Profile]:
    frames = [data.get(stream, p).assign(_p=p) for p in data.partitions(stream) if data.is_patched(stream, p)]
    if not frames:
        return []
    return run_plan(pd.concat(frames), _plan(data.columns(stream), edges, _period(data.partitions(stream))))


def read_labels(folder: Path, split: str, track: str) -> list[dict[str, Any]]:
    path = folder / split / track / "labels.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


__all__ = ["load_module", "profiles", "read_labels", "run_plan"]

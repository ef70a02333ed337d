"""Cost of a profile and of a judgement, as ratios within one run on one machine.

Profile: 1,000,000 x 20 on the emulator (DuckDB under it, when it is installed) and on DuckDB, against one fused aggregate statement with
the same figures per column but neither histogram nor frequent values. Judgement: profile + judgement in DuckDB against Evidently's preset
on the same rows loaded with pandas, each in a process of its own for the peak memory. Uses the real package where EVIDENTLY_PYTHON names
an interpreter that has it, else the preset as rebuilt with scipy on the rows.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from bench.drift.synthetic import synthetic_profile
from services.drift.domain.profile import ColumnKind, encode_profile
from services.drift.domain.watch_settings import WatchSettings
from services.drift.methods.edges import histogram_edges
from services.drift.methods.judge import DatasetState, Look, encode_state, judge
from services.drift.profiling.decode import decode_profiles
from services.drift.profiling.dialects import DIALECTS
from services.drift.profiling.plan import ColumnPlan, ProfilePlan
from services.drift.profiling.statements import build_statements

ROWS = 1_000_000
NUMBERS, TEXTS, TIMES = 10, 7, 3
REPEATS = 3
MAKE = f"""
CREATE TABLE wide AS SELECT
{", ".join(f"CASE WHEN random() < 0.02 THEN NULL ELSE round(exp(random() * {i + 2}), 2) END AS n{i}" for i in range(NUMBERS))},
{", ".join(f"'v' || CAST(floor(pow(random(), 3) * {10 ** (i % 4 + 1)}) AS INTEGER) AS t{i}" for i in range(TEXTS))},
{", ".join(f"TIMESTAMP '2024-01-01' + to_seconds(CAST(floor(random() * 86400) AS INTEGER)) AS d{i}" for i in range(TIMES))}
FROM range({ROWS}) r(i)"""


def plan() -> ProfilePlan:
    columns = [ColumnPlan(f"n{i}", ColumnKind.NUMBER) for i in range(NUMBERS)] + [
        ColumnPlan(f"t{i}", ColumnKind.TEXT) for i in range(TEXTS)
    ]
    columns += [ColumnPlan(f"d{i}", ColumnKind.TIME) for i in range(TIMES)]
    return ProfilePlan(table=("wide",), columns=tuple(columns), as_of="2024-01-01T00:00:00")


def with_edges(connection: Any, first: ProfilePlan) -> ProfilePlan:
    """The plan with edges of a baseline, as every profile after the first has."""
    answers = [(s, connection.execute(s.sql).fetchall()) for s in build_statements(first, DIALECTS["duckdb"])]
    profile = decode_profiles(first, answers)[0]
    columns = (
        replace(c, edges=histogram_edges(p) if p.kind is ColumnKind.NUMBER else ())
        for c, p in zip(first.columns, profile.columns, strict=True)
    )
    return replace(first, columns=tuple(columns))


def _timed(run: Any) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def profile_ratio() -> dict[str, float]:
    connection = duckdb.connect()
    connection.execute("SELECT setseed(0.5)")
    connection.execute(MAKE)
    bare = plan()
    full = with_edges(connection, bare)
    dialect = DIALECTS["duckdb"]
    fused = next(s for s in build_statements(bare, dialect) if not s.is_top)
    reference = _timed(lambda: connection.execute(fused.sql).fetchall())
    whole = _timed(lambda: [connection.execute(s.sql).fetchall() for s in build_statements(full, dialect)])
    main = _timed(lambda: [connection.execute(s.sql).fetchall() for s in build_statements(full, dialect) if not s.is_top])
    return {"fused_seconds": reference, "profile_seconds": whole, "without_top_seconds": main, "ratio": whole / reference}


def _child(code: str, python: str = sys.executable) -> dict[str, float]:
    with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False) as f:
        f.write(code)
    try:
        done = subprocess.run(
            [python, f.name], capture_output=True, text=True, timeout=900, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
    finally:
        Path(f.name).unlink()
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


OURS = """
import resource, sys, time, json
sys.path.insert(0, {root!r})
import duckdb
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from bench.drift.speed import plan, with_edges
from services.drift.profiling.decode import decode_profiles
from services.drift.profiling.dialects import DIALECTS
from services.drift.profiling.statements import build_statements
from services.drift.methods.judge import judge, DatasetState, Look
from services.drift.domain.watch_settings import WatchSettings
from dataclasses import replace
import datetime as dt
c = duckdb.connect({file!r}, read_only=True)
p = with_edges(c, plan())
def profile(day):
    q = replace(p, as_of=f"2024-01-{{day:02d}}T00:00:00")
    return decode_profiles(q, [(s, c.execute(s.sql).fetchall()) for s in build_statements(q, DIALECTS["duckdb"])])[0]
state = DatasetState(); first = profile(1)
for day in range(1, 21):
    look = Look(replace(first, partition=f"2024-01-{{day:02d}}"), dt.datetime(2024, 1, day, tzinfo=dt.UTC))
    _, state = judge(state, look, WatchSettings())
start = time.perf_counter()
judge(state, Look(profile(21), dt.datetime(2024, 1, 21, tzinfo=dt.UTC)), WatchSettings())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({{"seconds": time.perf_counter() - start, "peak_mb": peak / 1024, "base_mb": base / 1024}}))
"""

REBUILT = """
import resource, time, json
import duckdb, pandas as pd
from scipy.stats import wasserstein_distance
from scipy.spatial.distance import jensenshannon
c = duckdb.connect({file!r}, read_only=True)
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
now = c.execute("SELECT * FROM wide").df()
reference = c.execute("SELECT * FROM wide").df()
drifted = 0
for name in now:
    a, b = reference[name].dropna(), now[name].dropna()
    if a.dtype.kind == "M":
        a, b = a.astype("int64"), b.astype("int64")
    if a.dtype.kind in "if":
        drifted += wasserstein_distance(a, b) / max(float(a.std()), 0.001) > 0.1
    else:
        p, q = a.value_counts(normalize=True), b.value_counts(normalize=True)
        keys = p.index.union(q.index)
        drifted += jensenshannon(p.reindex(keys, fill_value=0), q.reindex(keys, fill_value=0), base=2) > 0.1
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({{"seconds": time.perf_counter() - start, "peak_mb": peak / 1024, "base_mb": base / 1024}}))
"""

REAL = """
import resource, time, json
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
now, reference = pd.read_parquet({parquet!r}), pd.read_parquet({parquet!r})
Report([DataDriftPreset()]).run(now, reference)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({{"seconds": time.perf_counter() - start, "peak_mb": peak / 1024, "base_mb": base / 1024}}))
"""


def against_evidently(root: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file, parquet = f"{folder}/wide.duckdb", f"{folder}/wide.parquet"
        connection = duckdb.connect(file)
        connection.execute("SELECT setseed(0.5)")
        connection.execute(MAKE)
        connection.execute(f"COPY wide TO '{parquet}' (FORMAT parquet)")
        connection.close()
        ours = _child(OURS.format(root=str(root), file=file))
        python = os.environ.get("EVIDENTLY_PYTHON")
        theirs = _child(REAL.format(parquet=parquet), python) if python else _child(REBUILT.format(file=file))
    kind = "real package" if python else "rebuilt with scipy"
    return {
        "peer": kind,
        "ours": ours,
        "evidently": theirs,
        "times_faster": theirs["seconds"] / ours["seconds"],
        "memory_share": (ours["peak_mb"] - ours["base_mb"]) / max(1.0, theirs["peak_mb"] - theirs["base_mb"]),
    }


def judgement_cost(columns: int = 50, profiles: int = 80) -> dict[str, float]:
    """CPU seconds of one judgement of `columns` columns with a full ring, and the size of a profile and of the state."""

    rng, state, times, last = np.random.default_rng(7), DatasetState(), [], None
    for day in range(profiles):
        last = synthetic_profile(rng, day, columns)
        instant = dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=day)
        start = time.process_time()
        _, state = judge(state, Look(last, instant), WatchSettings())
        times.append(time.process_time() - start)
    assert last is not None
    return {
        "cpu_ms": 1000 * statistics.median(times[-20:]),
        "profile_kb": len(encode_profile(last).encode()) / 1024,
        "state_kb": len(encode_state(state)) / 1024,
    }

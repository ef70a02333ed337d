"""python -m bench.drift --data DIR --split dev: the engine on the drift benchmark, beside its peers. Writes bench/out/drift.json."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.drift.data import ROOT, load_module, profiles
from bench.drift.peers import VOLUME_PEERS, distribution_peers, volume_peer
from bench.drift.report import comparison, leave_one_out, recall_table
from bench.drift.speed import against_evidently, judgement_cost, profile_ratio
from bench.drift.tracks import distribution_track, schema_track, volume_track

DEFAULT = ROOT.parent / "shared" / "data" / "drift_bench"
OUT = ROOT / "bench" / "out"
Rows = list[dict[str, Any]]


def _say(text: str) -> None:
    print(text, flush=True)


def _track(name: str, rows: Rows, score: Callable[[Rows], dict[str, Any]]) -> dict[str, Any]:
    """Predictions to disk, the scorer's JSON to the screen."""
    (OUT / f"drift_{name}.jsonl").write_text("".join(json.dumps(r, default=float) + "\n" for r in rows))
    result = score(rows)
    _say(f"\n== {name}\n{json.dumps(result, indent=1)}")
    return result


def _distribution(folder: Path, split: str, score: Any, with_peers: bool) -> dict[str, Any]:
    data = load_module(folder, "loader").Distribution(split)
    rows = distribution_track(folder, split, data)

    def judged(predictions: Rows) -> dict[str, Any]:
        return dict(score("distribution", split, predictions))

    result = {"engine": _track("distribution", rows, judged)}
    result["leave_one_table_out"] = leave_one_out(rows, lambda r: r["stream"].rsplit(".", 1)[0], judged)
    _say(f"leave one table out: {json.dumps(result['leave_one_table_out'])}")
    if with_peers:
        streams = {s: profiles(folder, split, s, data) for s in data.streams}
        peers = {name: judged(rows_of) for name, rows_of in distribution_peers(streams).items()}
        _tables("distribution", result["engine"], peers)
        result["peers"] = peers
    return result


def _volume(folder: Path, split: str, score: Any, with_peers: bool) -> dict[str, Any]:
    series = load_module(folder, "loader").volume(split)
    rows = volume_track(series)

    def judged(predictions: Rows) -> dict[str, Any]:
        return dict(score("volume", split, predictions))

    result = {"engine": _track("volume", rows, judged)}
    result["leave_one_table_out"] = leave_one_out(rows, lambda r: r["series"].split(".")[0], judged)
    _say(f"leave one source out: {json.dumps(result['leave_one_table_out'])}")
    if with_peers:
        peers = {name: judged(volume_peer(rule, series)) for name, rule in VOLUME_PEERS.items()}
        _tables("volume", result["engine"], peers)
        result["peers"] = peers
    return result


def _tables(name: str, engine: dict[str, Any], peers: dict[str, dict[str, Any]]) -> None:
    results = {"this engine": engine, **peers}
    _say("\n" + comparison(name, results))
    _say("\n" + recall_table("recall per fault kind", results, "by_fault"))
    _say("\n" + recall_table("false alarms per 100 clean, by table", results, "fp_per_100_by_group"))


def _speed() -> dict[str, Any]:
    result: dict[str, Any] = {"judgement": judgement_cost(), "profile": profile_ratio(), "evidently": against_evidently(ROOT)}
    _say(f"\n== speed\n{json.dumps(result, indent=1)}")
    return result


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.drift", description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--tracks", default="schema,volume,distribution,speed")
    parser.add_argument("--no-peers", action="store_true")
    given = parser.parse_args()
    folder, tracks = given.data.resolve(), given.tracks.split(",")
    if not (folder / "loader.py").is_file():
        _say(f"no benchmark in {given.data}: expected loader.py and score.py there (DATA=folder)")
        return 2
    OUT.mkdir(parents=True, exist_ok=True)
    score, start, results = load_module(folder, "score").score, time.monotonic(), {}
    if "schema" in tracks:
        cases = load_module(folder, "loader").schema(given.split)
        results["schema"] = {"engine": _track("schema", schema_track(cases), lambda rows: dict(score("schema", given.split, rows)))}
    if "volume" in tracks:
        results["volume"] = _volume(folder, given.split, score, not given.no_peers)
    if "distribution" in tracks:
        results["distribution"] = _distribution(folder, given.split, score, not given.no_peers)
    if "speed" in tracks:
        results["speed"] = _speed()
    (OUT / "drift.json").write_text(json.dumps({"split": given.split, "seconds": round(time.monotonic() - start, 1), **results}, indent=1))
    _say(f"\nwrote bench/out/drift.json after {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

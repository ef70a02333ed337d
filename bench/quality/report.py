"""The benchmarks as a table for people and JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.quality.cases import CaseResult

OUT = Path(__file__).resolve().parents[1] / "out" / "quality.json"


def show(results: Sequence[CaseResult]) -> None:
    """Print one row for each peer of each case."""
    table = Table("case", "peer", "ours s", "peer s", "ratio", "target", "met", title="Quality runs beside their peers (medians)")
    for result in results:
        for peer, ratio in result.ratios.items():
            target = result.targets.get(peer)
            met = "" if target is None else "yes" if ratio <= target else "NO"
            cells = (
                f"{result.seconds['ours']:.3f}",
                f"{result.seconds[peer]:.3f}",
                f"{ratio:.3f}",
                "" if target is None else f"{target:.2f}",
            )
            table.add_row(result.name, peer, *cells, met)
        if not result.same_outcomes:
            table.add_row(result.name, "outcomes differ", "", "", "", "", "NO")
    Console().print(table)


def as_json(results: Sequence[CaseResult]) -> dict[str, Any]:
    """Per case: medians, ratios, targets, whether they were met."""
    return {result.name: {**asdict(result), "met": result.met} for result in results}


def write(document: dict[str, Any], path: Path = OUT) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

"""Tables for a person, and the leave-one-table-out figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Scores = dict[str, Any]
STRICTNESS = (1.0, 1.05, 1.1, 1.2, 1.3)
"""Multiples of the threshold that the other tables may choose from."""


def comparison(title: str, results: dict[str, Scores]) -> str:
    head = f"{title:<42} detection  accuracy    F1   false/100"
    lines = [head, "-" * len(head)]
    for name, r in results.items():
        accuracy = "   –" if r["alert_accuracy"] is None else f"{r['alert_accuracy']:.2f}"
        lines.append(f"{name:<42} {r['detection_rate']:>9.2f} {accuracy:>9} {r['f1']:>5.2f} {r['fp_per_100_clean']:>11.2f}")
    return "\n".join(lines)


def recall_table(title: str, results: dict[str, Scores], field: str) -> str:
    """Recall per fault kind or false alarms per table, one row per kind."""
    kinds = sorted({k for r in results.values() for k in r[field]})
    names = list(results)
    lines = [
        f"{title}",
        "  " + "  ".join(f"[{i}] {n}" for i, n in enumerate(names)),
        f"{'':<24}" + "".join(f"{f'[{i}]':>8}" for i in range(len(names))),
    ]
    for kind in kinds:
        cells = [r[field].get(kind) for r in results.values()]
        lines.append(f"{kind:<24}" + "".join(f"{'–' if c is None else f'{c:.2f}':>8}" for c in cells))
    return "\n".join(lines)


def leave_one_out(
    rows: Sequence[dict[str, Any]], group_of: Callable[[dict[str, Any]], str], score: Callable[[list[dict[str, Any]]], Scores]
) -> Scores:
    """The strictness that is best for all other tables judges the table left out.

    Rows of other groups are silenced in the scorer by alert = False, so counts are taken per group and added.
    """
    groups = sorted({group_of(r) for r in rows})
    counts = {(g, s): _counts(rows, group_of, g, s, score) for g in groups for s in STRICTNESS}
    chosen, total = {}, [0, 0, 0]
    for left in groups:
        best = max(STRICTNESS, key=lambda s: _f1([sum(counts[(g, s)][i] for g in groups if g != left) for i in range(3)]))
        chosen[left] = best
        total = [t + c for t, c in zip(total, counts[(left, best)], strict=True)]
    everything = score([r | {"alert": False} for r in rows])
    episodes, clean = everything["episodes"], everything["clean_partitions"]
    detected, runs, partitions = total
    recall, precision = detected / episodes, detected / max(1, detected + runs)
    return {
        "detection_rate": round(recall, 4),
        "alert_accuracy": round(precision, 4),
        "f1": round(2 * recall * precision / max(1e-9, recall + precision), 4),
        "fp_per_100_clean": round(100 * partitions / clean, 3),
        "strictness_by_left_out": chosen,
    }


def _counts(
    rows: Sequence[dict[str, Any]],
    group_of: Callable[[dict[str, Any]], str],
    group: str,
    strictness: float,
    score: Callable[[list[dict[str, Any]]], Scores],
) -> list[int]:
    """Detected episodes, false runs and false partitions of one group at one strictness."""
    kept = [r | {"alert": bool(r["alert"] and r["score"] >= strictness and group_of(r) == group)} for r in rows]
    r = score(kept)
    return [round(r["detection_rate"] * r["episodes"]), r["fp_incidents"], r["fp_partitions"]]


def _f1(counts: list[int]) -> float:
    """Up to the number of episodes, which does not change the order at a fixed set of tables: missed ones weigh as detected less."""
    detected, runs, _ = counts
    return detected - runs

"""Percentages of missing, invalid and duplicate values, from the counts they are made of."""

from __future__ import annotations

from typing import Any


def compute_percentages(check: Any) -> None:
    """Give a check's derived metrics their values. A percentage of no rows stays None."""
    for metric in check.metrics.values():
        derived = getattr(metric, "derived_formula", None)
        if derived is not None:
            parts = {name: part.value for name, part in derived.metric_dependencies.items()}
            metric.formula_values = parts
            count = next(value for name, value in parts.items() if name != "row_count")
            metric.value = percentage(count, parts["row_count"])


def percentage(count: int, rows: int) -> float | None:
    """The share in percent, to two digits as Soda gives it; but a few rows of a million never round to none (or to all)."""
    if not rows:
        return None
    exact = count * 100 / rows
    rounded = round(exact, 2)
    return exact if rounded in (0.0, 100.0) and exact != rounded else rounded

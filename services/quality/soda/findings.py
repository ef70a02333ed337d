"""What a check found, before it becomes a result: verdict, value, rows, one sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.quality.domain.scan import CheckVerdict


@dataclass(frozen=True, slots=True)
class Finding:
    """The judgement of one check."""

    verdict: CheckVerdict
    value: float | None = None
    failed_rows: int | None = None
    message: str = ""


def not_evaluated(message: str) -> Finding:
    return Finding(CheckVerdict.NOT_EVALUATED, message=message)


def error(message: str) -> Finding:
    return Finding(CheckVerdict.ERROR, message=message)


def number(value: object) -> float | None:
    """The value as a finite number, or None."""
    if isinstance(value, (int, float, Decimal)):
        as_float = float(value)
        return as_float if math.isfinite(as_float) else None
    return None


def shown(value: object) -> str:
    """A value for a sentence: 3 rather than 3.0, at most six digits after the point."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)[:120]
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.6f}".rstrip("0").rstrip(".") if abs(value) >= 1e-6 else f"{value:.3g}"
    return str(int(value))


def by_thresholds(cfg: Any, value: float) -> CheckVerdict:
    """FAIL, WARN or PASS of a number by the fail and warn zones of a check."""
    fail, warn = getattr(cfg, "fail_threshold_cfg", None), getattr(cfg, "warn_threshold_cfg", None)
    if fail is not None and fail.is_bad(value):
        return CheckVerdict.FAIL
    return CheckVerdict.WARN if warn is not None and warn.is_bad(value) else CheckVerdict.PASS


def judged(cfg: Any, value: float, label: str, threshold: str, failed_rows: int | None = None) -> Finding:
    """A number held against a check's thresholds, with the sentence that says how it missed them."""
    verdict = by_thresholds(cfg, value)
    if verdict is CheckVerdict.PASS:
        return Finding(verdict, value, failed_rows)
    zones = "fail:" in threshold or "warn:" in threshold
    limit = f"which is in the {verdict.value.lower()} zone ({threshold})" if zones else f"expected {threshold}"
    return Finding(verdict, value, failed_rows, f"{label} is {shown(value)}, {limit}.")

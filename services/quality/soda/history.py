"""Earlier measurements of the dataset, asked for only by the checks that compare with them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from services.quality.domain.scan import HistoryQuery, Measurement
from services.quality.soda.definitions import dump, plain
from services.quality.soda.findings import number
from services.quality.soda.prepare import Prepared

Ask = Callable[[HistoryQuery], Sequence[Measurement]]
MAX_LOOK_BACK = 100
_WEEKDAYS_ASKED = 60
"""Measurements looked through for the same day of last week."""
_NOT_IDENTITY = frozenset({"name", "identity", "attributes", "warn", "fail", "samples limit"})
_MAX_VALUE = 1_000_000


class History:
    """Reads history for the checks of one scan, and collects what this scan adds to it."""

    def __init__(self, ask: Ask, data_time: datetime) -> None:
        self._ask = ask
        self._data_time = data_time
        self._kept: dict[str, Measurement] = {}

    def aggregate(self, item: Prepared, change: Any) -> float | None:
        """The earlier value that a change-over-time check compares with; None without enough history."""
        if change.same_day_last_week:
            return self._same_day_last_week(item)
        values = self._numbers(item, min(change.last_measurements or 1, MAX_LOOK_BACK))
        if not values:
            return None
        combine: dict[str, Callable[[list[float]], float]] = {"avg": lambda all_: sum(all_) / len(all_), "min": min, "max": max}
        return combine[change.last_aggregation or "min"](values)

    def latest(self, item: Prepared) -> Any:
        """The newest earlier value (a schema, a list of groups), or None."""
        found = self._ask(HistoryQuery(history_key(item), limit=1, before=self._data_time))
        return json.loads(found[0].value_json) if found else None

    def keep(self, item: Prepared) -> None:
        """Add this scan's value of the check's metric to history, when the check compares over time."""
        if not uses_history(item):
            return
        value = next(iter(item.check.metrics.values())).value
        encoded = json.dumps(number(value) if isinstance(value, (int, float)) else value)
        if value is not None and encoded != "null" and len(encoded) <= _MAX_VALUE:
            key = history_key(item)
            self._kept[key] = Measurement(key, encoded, self._data_time)

    def kept(self) -> tuple[Measurement, ...]:
        return tuple(self._kept.values())

    def _numbers(self, item: Prepared, limit: int) -> list[float]:
        found = self._ask(HistoryQuery(history_key(item), limit=limit, before=self._data_time))
        values = [number(json.loads(entry.value_json)) for entry in found]
        return [value for value in values if value is not None]

    def _same_day_last_week(self, item: Prepared) -> float | None:
        wanted = (self._data_time - timedelta(days=7)).date()
        midnight = self._data_time.replace(hour=0, minute=0, second=0, microsecond=0)
        query = HistoryQuery(history_key(item), limit=_WEEKDAYS_ASKED, before=midnight - timedelta(days=6), at_or_before_same_weekday=True)
        same_day = [entry for entry in self._ask(query) if entry.data_time.astimezone(self._data_time.tzinfo).date() == wanted]
        return number(json.loads(same_day[0].value_json)) if same_day else None


def uses_history(item: Prepared) -> bool:
    """Whether a check compares with earlier measurements."""
    if type(item.check).__name__ == "ChangeOverTimeMetricCheck":
        return True
    has_changes = getattr(item.parsed.cfg, "has_change_validations", None)
    return bool(has_changes and has_changes())


def history_key(item: Prepared) -> str:
    """The name of a metric in history: it outlives changes of thresholds, names and variables, not of what is measured."""
    declared = item.declared
    metric = re.match(r"change (?:.*? )?for ([\w$]+(?:\([^)]*\))?)", declared.text)
    config = plain(declared.config)
    shape = {key: value for key, value in config.items() if key not in _NOT_IDENTITY} if isinstance(config, dict) else {}
    place = f"{item.table}[{declared.partition}]" if declared.partition else item.table
    digest = blake2b(dump(shape).encode("utf-8", "replace"), digest_size=8).hexdigest() if shape else "plain"
    return f"{_folded(place)}:{_folded(metric.group(1) if metric else declared.text)}:{digest}"[:400]


def _folded(name: str) -> str:
    """The name without case, unless quotes say that its case matters."""
    return name.strip() if '"' in name else name.strip().casefold()

"""Answers checks of SodaCL from a dataset's stored profiles."""

from __future__ import annotations

import asyncio
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass

from services.drift.app.ports import HistoryJudge, ProfileStore, Registry, WatchStore
from services.drift.app.settings_of import settings_of
from services.drift.domain.history_checks import (
    METRICS,
    AnomalyCheck,
    CheckAnswer,
    CheckVerdict,
    DistributionCheck,
    HistoryCheck,
    Method,
    column_of,
    metric_of,
)
from services.drift.domain.periods import local_time
from services.drift.domain.profile import ColumnKind
from services.drift.domain.record import KeptProfile, Standing
from services.drift.domain.watch_settings import WatchSettings

HISTORY = 200
"""Newest profiles that a metric is judged by."""
BASELINE = 30
"""Newest accepted profiles that a distribution is compared with."""
_FAR = 1.5
"""Times the alarm threshold from which a value is far outside: FAIL instead of WARN."""
_COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class _History:
    """What a dataset's checks are answered from, by time; the last one is judged."""

    profiles: Sequence[KeptProfile]
    settings: WatchSettings

    @property
    def current(self) -> KeptProfile:
        return self.profiles[-1]


class AnswerChecks:
    """One answer a check, in their order; one that cannot be answered takes no other with it."""

    def __init__(self, registry: Registry, watches: WatchStore, profiles: ProfileStore, judge: HistoryJudge) -> None:
        self._registry = registry
        self._watches = watches
        self._profiles = profiles
        self._judge = judge

    async def execute(self, tenant_id: str, dataset_id: str, checks: Sequence[HistoryCheck]) -> list[CheckAnswer]:
        """Raises DatasetNotFound, InvalidDriftSettings and DependencyUnavailable."""
        if not checks:
            return []
        settings = settings_of(await self._registry.dataset(tenant_id, dataset_id))
        watch = await self._watches.watch(tenant_id, dataset_id)
        kept = await self._profiles.newest(tenant_id, dataset_id, watch.layout, HISTORY) if watch else []
        if not kept:
            return [CheckAnswer(check.id, CheckVerdict.NOT_EVALUATED, message="The table has not been profiled yet.") for check in checks]
        history = _History(kept, settings)
        return await asyncio.to_thread(lambda: [self._answer(check, history) for check in checks])

    def _answer(self, check: HistoryCheck, history: _History) -> CheckAnswer:
        if isinstance(check, AnomalyCheck):
            return self._anomaly(check, history)
        return self._distribution(check, history)

    def _anomaly(self, check: AnomalyCheck, history: _History) -> CheckAnswer:
        label = f"{check.metric}({check.column})" if check.column else check.metric
        if check.metric not in METRICS:
            return _error(check, f"Profiles hold no {check.metric}; they hold {', '.join(METRICS)}.")
        if check.column and column_of(history.current.profile, check.column) is None:
            return _error(check, f"The newest profile has no column {check.column}.")
        zone = history.settings.zone
        known = ((kept, metric_of(kept.profile, check.metric, check.column)) for kept in history.profiles)
        points = [(local_time(kept.time, zone), value) for kept, value in known if value is not None]
        value = metric_of(history.current.profile, check.metric, check.column)
        if value is None:
            return CheckAnswer(check.id, CheckVerdict.NOT_EVALUATED, message=f"{label} has no value: there are none to compute it from.")
        band = self._judge.band(points, check.metric, history.settings)
        if band is None:
            message = f"There is too little history: {len(points)} profiles."
            return CheckAnswer(check.id, CheckVerdict.NOT_EVALUATED, value, message=message)
        threshold = f"between {_shown(band.low)} and {_shown(band.high)}"
        if band.surprise < 1:
            return CheckAnswer(check.id, CheckVerdict.PASS, value, threshold)
        verdict = CheckVerdict.FAIL if band.surprise >= _FAR else CheckVerdict.WARN
        return CheckAnswer(check.id, verdict, value, threshold, f"{label} is {_shown(value)}, expected {threshold}.")

    def _distribution(self, check: DistributionCheck, history: _History) -> CheckAnswer:
        current = column_of(history.current.profile, check.column)
        if current is None:
            return _error(check, f"The newest profile has no column {check.column}.")
        learned = [kept for kept in history.profiles[:-1] if kept.standing in (Standing.NORMAL, Standing.ACCEPTED)][-BASELINE:]
        past = [column for kept in learned if (column := column_of(kept.profile, check.column)) and column.kind is current.kind]
        method = check.method or (Method.KS if current.kind in (ColumnKind.NUMBER, ColumnKind.TIME) else Method.CHI_SQUARE)
        value = self._judge.distance(method, past, current)
        if value is None or not math.isfinite(value):
            message = f"{check.column} cannot be compared by {method.value}: there is too little history, or nothing in it to compare."
            return CheckAnswer(check.id, CheckVerdict.NOT_EVALUATED, message=message)
        comparison = check.comparison or (">" if method.is_p_value else "<")
        threshold = f"{comparison} {_shown(check.threshold)}"
        if _COMPARISONS[comparison](value, check.threshold):
            return CheckAnswer(check.id, CheckVerdict.PASS, value, threshold)
        message = f"distribution_difference({check.column}) is {_shown(value)} by {method.value}, expected {threshold}."
        return CheckAnswer(check.id, CheckVerdict.FAIL, value, threshold, message)


def _error(check: HistoryCheck, message: str) -> CheckAnswer:
    return CheckAnswer(check.id, CheckVerdict.ERROR, message=message)


def _shown(value: float) -> str:
    return f"{value:,.6g}".replace(",", "")

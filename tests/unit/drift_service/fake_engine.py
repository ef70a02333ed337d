"""An engine whose every judgement a test can foretell: half of the usual rows, or a fifth more NULLs, is drift."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from statistics import median

from services.drift.app.ports import Judged, Judgement
from services.drift.domain.baseline import Mode
from services.drift.domain.errors import StateUnreadable
from services.drift.domain.record import (
    Band,
    DriftKind,
    FeedbackVerdict,
    Found,
    HistogramPlot,
    SeriesPlot,
    SeriesPoint,
    Severity,
    Standing,
)
from services.drift.domain.watch_settings import WatchSettings

HISTORY = 3
"""Profiles before which nothing is said."""


@dataclass(frozen=True)
class FakeState:
    """Rows and null rates of accepted profiles, and the last one that was not accepted."""

    rows: tuple[int, ...] = ()
    nulls: tuple[dict[str, float], ...] = ()
    columns: tuple[str, ...] | None = None
    aside: tuple[int, dict[str, float]] | None = None
    muted: tuple[str, ...] = ()


class FakeEngine:
    """`app.ports.Engine`."""

    def __init__(self) -> None:
        self.judged: list[str] = []

    def empty(self) -> object:
        return FakeState()

    def load(self, text: str) -> object:
        if text == "of another version":
            raise StateUnreadable
        kept = json.loads(text)
        aside = tuple(kept.pop("aside")) if kept.get("aside") else kept.pop("aside")
        columns = kept.pop("columns")
        fields = {name: tuple(value) for name, value in kept.items()}
        return FakeState(**fields, aside=aside, columns=None if columns is None else tuple(columns))

    def dump(self, state: object) -> str:
        assert isinstance(state, FakeState)
        return json.dumps(state.__dict__)

    def with_columns_of(self, state: object, known: object) -> object:
        assert isinstance(state, FakeState)
        assert isinstance(known, FakeState)
        return replace(state, columns=state.columns or known.columns)

    def judge(self, state: object, judged: Judged, settings: WatchSettings) -> Judgement:
        assert isinstance(state, FakeState)
        self.judged.append(judged.profile.partition)
        profile = judged.profile
        nulls = {column.name: column.nulls / profile.rows for column in profile.columns if profile.rows}
        columns = tuple(column.name for column in judged.table.columns) if judged.table else state.columns
        found = (*self._schema(state, columns), *self._volume(state, judged), *self._nulls(state, nulls, judged))
        found = tuple(one for one in found if one.change not in state.muted)
        band = Band(median(state.rows), median(state.rows) / 2, median(state.rows) * 2, 0.5) if len(state.rows) >= HISTORY else None
        if any(one.kind is not DriftKind.SCHEMA for one in found):
            return Judgement(replace(state, aside=(profile.rows, nulls), columns=columns), found, Standing.DRIFTED, band)
        learned = replace(state, rows=(*state.rows, profile.rows), nulls=(*state.nulls, nulls), columns=columns, aside=None)
        return Judgement(learned, found, Standing.NORMAL, band)

    def accept(self, state: object, columns: frozenset[str], mode: Mode, settings: WatchSettings) -> object:
        assert isinstance(state, FakeState)
        if state.aside is None or mode is Mode.ONCE:
            return state
        rows, nulls = state.aside
        # Taken in as often as it takes to be the usual.
        return replace(state, rows=(rows,) * HISTORY, nulls=(nulls,) * HISTORY, aside=None)

    def feedback(self, state: object, found: Found, verdict: FeedbackVerdict, settings: WatchSettings) -> object:
        assert isinstance(state, FakeState)
        return replace(state, muted=(*state.muted, found.change)) if verdict is FeedbackVerdict.FALSE else state

    def _schema(self, state: FakeState, columns: tuple[str, ...] | None) -> list[Found]:
        known = state.columns or columns or ()
        added = [column for column in columns or () if column not in known]
        removed = [column for column in known if column not in (columns or ())]
        return [
            *(Found(DriftKind.SCHEMA, "column_added", (column,), f"{column} was added", Severity.INFO, 1.0) for column in added),
            *(Found(DriftKind.SCHEMA, "column_removed", (column,), f"{column} is gone", Severity.CRITICAL, 1.0) for column in removed),
        ]

    def _volume(self, state: FakeState, judged: Judged) -> list[Found]:
        rows = judged.profile.rows
        if len(state.rows) < HISTORY or rows >= median(state.rows) / 2:
            return []
        usual = float(median(state.rows))
        plot = SeriesPlot("", (SeriesPoint(judged.instant, rows, usual, usual / 2, usual * 2),))
        message = f"rows {usual:g} → {rows}"
        return [Found(DriftKind.VOLUME, "volume_drop", (), message, Severity.CRITICAL, 0.9, usual, rows, plots=(plot,))]

    def _nulls(self, state: FakeState, nulls: dict[str, float], judged: Judged) -> list[Found]:
        if len(state.rows) < HISTORY:
            return []
        found = []
        for column, rate in nulls.items():
            past = [one[column] for one in state.nulls if column in one]
            if past and rate > median(past) + 0.2:
                plot = HistogramPlot(column, (0.0,), (1.0, 0.0), (1 - rate, rate))
                message = f"{column}: null rate {median(past):.0%} → {rate:.0%}"
                values = (float(median(past)), rate)
                found.append(Found(DriftKind.DISTRIBUTION, "null_rate", (column,), message, Severity.WARNING, 0.8, *values, plots=(plot,)))
        return found

"""Judges profiles in order of time: what is known before, what is found, what is known afterwards. Pure, and costs CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from services.drift.app.new_baseline import Reason, next_baseline
from services.drift.app.ports import Engine, Judged, Judgement, NewBaseline
from services.drift.domain.baseline import Origin
from services.drift.domain.dataset import CatalogTable
from services.drift.domain.profile import Profile
from services.drift.domain.record import (
    Decision,
    DriftKind,
    Finding,
    Found,
    KeptProfile,
    SeriesPlot,
    SeriesPoint,
    Severity,
    Standing,
    Watch,
)
from services.drift.domain.watch_settings import Watched, WatchSettings

NEVER = datetime(1, 1, 1, tzinfo=UTC)
"""The newest period of a dataset that was never judged."""
_MOST_POINTS = 90
_WATCHED = {DriftKind.SCHEMA: Watched.SCHEMA, DriftKind.VOLUME: Watched.VOLUME, DriftKind.DISTRIBUTION: Watched.DISTRIBUTION}


@dataclass(frozen=True, slots=True)
class Dated:
    """A profile with its place in time."""

    profile: Profile
    period: datetime
    """UTC instant at which its period begins."""
    time: datetime
    """UTC instant of the partition's start, or of profiling."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is judged, and for whom."""

    dataset_id: str
    run_id: str
    settings: WatchSettings
    table: CatalogTable | None
    profiles: Sequence[Dated]
    troubles: tuple[str, ...] = ()
    """Why profiles miss something."""
    window: Sequence[KeptProfile] = ()
    """Profiles before these, by time."""
    dialect: str = "snowflake"


@dataclass(frozen=True, slots=True)
class Folded:
    """What came of judging."""

    watch: Watch
    profiles: list[KeptProfile] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    baselines: list[NewBaseline] = field(default_factory=list)


class JudgeProfiles:
    """Folds profiles into what is known of a dataset."""

    def __init__(self, engine: Engine, new_id: Callable[[], str], now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._new_id = new_id
        self._now = now

    def fresh(self, dataset_id: str, layout: str, known: Watch | None = None) -> Watch:
        """What is known before the first profile of a layout; `known` is that of another layout."""
        empty = self._engine.dump(self._engine.empty())
        new = Watch(dataset_id, layout, empty, empty, NEVER, 0)
        return replace(new, revision=known.revision, baseline_version=known.baseline_version) if known else new

    def execute(self, watch: Watch, case: Case) -> Folded:
        """Judges those that are not older than the newest period that was; that one is judged again, from what was known before."""
        folded = Folded(watch)
        newest = watch.period
        for dated in case.profiles:
            if dated.period >= newest:
                folded = self._step(folded, dated, case)
                newest = dated.period
        return folded

    def _step(self, folded: Folded, dated: Dated, case: Case) -> Folded:
        watch = folded.watch
        again = dated.period == watch.period
        base = watch.before if again else watch.state
        judged = Judged(dated.profile, case.table, dated.time, case.dialect)
        known = self._engine.load(base)
        if again:
            # Before its first period nothing is known of a table's columns, and a column may go within the day.
            known = self._engine.with_columns_of(known, self._engine.load(watch.state))
        judgement = self._engine.judge(known, judged, case.settings)
        decisions = watch.decisions if again else ()
        state = self._decided(judgement, decisions, case.settings)
        # What is incomplete is told and teaches nothing: a column that was not measured has not changed.
        learned = self._engine.dump(state) if dated.profile.complete else base
        after = replace(watch, state=learned, before=base, period=dated.period, decisions=decisions)
        kept = self._kept(dated, judgement, case, decisions)
        found = (*_wanted(judgement.found, decisions, case.settings), *_incomplete(dated.profile, case.troubles))
        folded = Folded(after, _replaced(folded.profiles, kept), [*folded.findings], [*folded.baselines])
        folded = self._with_baselines(folded, judgement, case)
        version = max(folded.watch.baseline_version, 0)
        series = _series([*case.window, *folded.profiles])
        folded.findings.extend(self._finding(one, kept, case, version, series) for one in found)
        return folded

    def _decided(self, judgement: Judgement, decisions: tuple[Decision, ...], settings: WatchSettings) -> object:
        """The state after what was decided about the period before it was judged again."""
        state = judgement.state
        for decision in decisions:
            if decision.mode is not None:
                state = self._engine.accept(state, decision.columns, decision.mode, settings)
            elif decision.verdict is not None:
                for found in judgement.found:
                    if (found.kind, found.change) == (decision.kind, decision.change):
                        state = self._engine.feedback(state, found, decision.verdict, settings)
        return state

    def _kept(self, dated: Dated, judgement: Judgement, case: Case, decisions: tuple[Decision, ...]) -> KeptProfile:
        standing = judgement.standing if dated.profile.complete else Standing.INCOMPLETE
        if standing is Standing.DRIFTED and any(decision.mode is not None for decision in decisions):
            standing = Standing.ACCEPTED
        return KeptProfile(
            id=self._new_id(),
            dataset_id=case.dataset_id,
            layout=case.settings.layout,
            period=dated.period,
            time=dated.time,
            profile=dated.profile,
            standing=standing,
            create_time=self._now(),
            band=judgement.band,
            backfilled=not case.run_id,
            run_id=case.run_id,
        )

    def _with_baselines(self, folded: Folded, judgement: Judgement, case: Case) -> Folded:
        """A first version, and one for each change that held long enough to become normal by itself."""
        reasons = []
        if folded.watch.baseline_version == 0:
            reasons.append(Reason(Origin.INITIAL, "The first profile of the table."))
        if judgement.adopted:
            columns = tuple(adopted.column for adopted in judgement.adopted if adopted.column)
            text = "; ".join(adopted.text for adopted in judgement.adopted)
            reasons.append(Reason(Origin.ADOPTED, f"Held long enough to be normal: {text}.", columns=columns))
        window = [*case.window, *folded.profiles]
        for reason in reasons:
            watch, new = next_baseline(folded.watch, folded.watch.before, window, reason, self._now())
            folded = replace(folded, watch=watch, baselines=[*folded.baselines, new])
        return folded

    def _finding(self, found: Found, kept: KeptProfile, case: Case, version: int, series: SeriesPlot) -> Finding:
        plots = found.plots or ((series,) if found.kind is DriftKind.VOLUME else ())
        return Finding(
            id=self._new_id(),
            dataset_id=case.dataset_id,
            found=replace(found, since=found.since or kept.time, plots=plots, partition=kept.profile.partition),
            partition_time=kept.time,
            create_time=self._now(),
            profile_id=kept.id,
            run_id=case.run_id,
            baseline_version=version,
        )


def _wanted(found: Sequence[Found], decisions: tuple[Decision, ...], settings: WatchSettings) -> list[Found]:
    """Of what was found, that which is watched and was not accepted meanwhile."""
    return [one for one in found if _WATCHED[one.kind] in settings.watch and not any(decision.covers(one) for decision in decisions)]


def _series(profiles: Sequence[KeptProfile]) -> SeriesPlot:
    """Rows over time with the band that each was expected in, of the newest profiles."""
    newest = {profile.period: profile for profile in profiles}
    points = (_point(newest[period]) for period in sorted(newest)[-_MOST_POINTS:])
    return SeriesPlot("", tuple(points))


def _point(kept: KeptProfile) -> SeriesPoint:
    band = kept.band
    figures = (band.expected, band.low, band.high) if band else (None, None, None)
    return SeriesPoint(kept.time, kept.profile.rows / kept.profile.sampled, *figures)


def _incomplete(profile: Profile, troubles: tuple[str, ...]) -> list[Found]:
    """A note about what was not measured, which alarms nobody."""
    if profile.complete:
        return []
    named = ", ".join(profile.missing[:3]) + (f" and {len(profile.missing) - 3} more" if len(profile.missing) > 3 else "")
    message = f"Not measured: {named}. {' '.join(troubles)}".strip()
    return [Found(DriftKind.DISTRIBUTION, "profile_incomplete", profile.missing, message, Severity.INFO, 1.0)]


def _replaced(profiles: list[KeptProfile], kept: KeptProfile) -> list[KeptProfile]:
    return [profile for profile in profiles if profile.period != kept.period] + [kept]

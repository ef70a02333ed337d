"""The fold: what is known, what is found, and what a decision changes."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.drift.app.judge_profiles import Case, Dated, Folded, JudgeProfiles
from services.drift.domain.baseline import ColumnFigures, Figures, Mode, Origin, diff_figures, usual_figures
from services.drift.domain.profile import ColumnKind, ColumnProfile, Profile
from services.drift.domain.record import Decision, Severity, Standing, Watch
from services.drift.domain.watch_settings import Partitioning, Watched, WatchSettings
from tests.unit.drift_service.fake_engine import FakeEngine

START = datetime(2026, 3, 1, tzinfo=UTC)
SETTINGS = WatchSettings(partition=Partitioning("at"))


def judge() -> JudgeProfiles:
    numbers = itertools.count(1)
    return JudgeProfiles(FakeEngine(), lambda: f"id-{next(numbers)}", lambda: START)


def dated(day: int, rows: int = 100, nulls: int = 0, missing: tuple[str, ...] = ()) -> Dated:
    time = START + timedelta(days=day)
    columns = (ColumnProfile("a", ColumnKind.TEXT, nulls=nulls),)
    return Dated(Profile(time.date().isoformat(), rows, columns, complete=not missing, missing=missing), time, time)


def case(*profiles: Dated, settings: WatchSettings = SETTINGS, troubles: tuple[str, ...] = ()) -> Case:
    return Case("d", "run", settings, None, profiles, troubles)


def folded(*profiles: Dated, watch: Watch | None = None, settings: WatchSettings = SETTINGS) -> Folded:
    judging = judge()
    return judging.execute(watch or judging.fresh("d", SETTINGS.layout), case(*profiles, settings=settings))


def test_profiles_are_judged_in_order_and_older_ones_are_left_alone() -> None:
    first = folded(*(dated(day) for day in range(5)))
    assert [profile.standing for profile in first.profiles] == [Standing.NORMAL] * 5
    assert first.watch.period == START + timedelta(days=4)
    assert folded(dated(2), watch=first.watch).profiles == []


def test_newest_period_is_judged_again_from_what_was_known_before_it() -> None:
    first = folded(*(dated(day) for day in range(4)))
    drop = folded(dated(4, rows=10), watch=first.watch)
    assert [finding.found.change for finding in drop.findings] == ["volume_drop"]
    again = folded(dated(4, rows=100), watch=drop.watch)
    assert (again.findings, again.profiles[0].standing) == ([], Standing.NORMAL)
    assert again.watch.before == drop.watch.before


def test_decision_holds_while_its_period_is_the_newest() -> None:
    first = folded(*(dated(day) for day in range(4)))
    drop = folded(dated(4, nulls=80), watch=first.watch)
    decided = replace(drop.watch, decisions=(Decision(frozenset({"a"}), Mode.ONCE),))
    again = folded(dated(4, nulls=80), watch=decided)
    assert (again.findings, again.profiles[0].standing) == ([], Standing.ACCEPTED)
    later = folded(dated(5, nulls=80), watch=again.watch)
    assert (len(later.findings), later.watch.decisions) == (1, ())


def test_decision_about_a_column_covers_no_other_finding() -> None:
    first = folded(*(dated(day) for day in range(4)))
    decided = replace(folded(dated(4), watch=first.watch).watch, decisions=(Decision(frozenset({"b"}), Mode.ONCE),))
    assert [finding.found.change for finding in folded(dated(4, rows=10, nulls=9), watch=decided).findings] == ["volume_drop", "null_rate"]


def test_incomplete_profile_is_told_and_teaches_nothing() -> None:
    first = folded(*(dated(day) for day in range(4)))
    judging = judge()
    partial = judging.execute(first.watch, case(dated(4, rows=90, missing=("b", "c", "d", "e")), troubles=("It took too long.",)))
    (note,) = partial.findings
    assert (note.found.change, note.found.severity) == ("profile_incomplete", Severity.INFO)
    assert note.found.message == "Not measured: b, c, d and 1 more. It took too long."
    assert (partial.watch.state, partial.profiles[0].standing) == (first.watch.state, Standing.INCOMPLETE)


def test_what_is_not_watched_is_not_told() -> None:
    first = folded(*(dated(day) for day in range(4)))
    settings = replace(SETTINGS, watch=frozenset({Watched.DISTRIBUTION}))
    assert folded(dated(4, rows=10), watch=first.watch, settings=settings).findings == []


def test_first_profile_makes_the_first_version() -> None:
    first = folded(dated(0), dated(1))
    (new,) = first.baselines
    assert (new.baseline.version, new.baseline.origin, first.watch.baseline_version) == (1, Origin.INITIAL, 1)
    assert folded(dated(2), watch=first.watch).baselines == []


def test_findings_name_period_profile_run_and_baseline() -> None:
    first = folded(*(dated(day) for day in range(4)))
    drop = folded(dated(4, rows=1), watch=first.watch)
    (finding,) = drop.findings
    assert (finding.run_id, finding.baseline_version, finding.profile_id) == ("run", 1, drop.profiles[0].id)
    assert finding.found.since == finding.partition_time == START + timedelta(days=4)


def test_usual_figures_are_medians_over_the_window() -> None:
    profiles = [dated(day, rows=rows, nulls=nulls).profile for day, rows, nulls in ((0, 100, 0), (1, 110, 11), (2, 300, 300))]
    figures = usual_figures(profiles)
    assert (figures.rows, figures.columns[0].null_rate) == (110, 0.1)
    assert usual_figures([]) == Figures()


def test_diff_tells_what_moved_came_and_went() -> None:
    def column(name: str, **figures: object) -> ColumnFigures:
        return ColumnFigures(name, ColumnKind.NUMBER, **({"declared_type": "int"} | figures))  # type: ignore[arg-type]

    old_values, new_values = (("CA", 0.3),), (("California", 0.3),)
    before = Figures(100, (column("a", null_rate=0.002, mean=5.0), column("gone"), column("same", mean=1.0, top=old_values)))
    moved = column("a", null_rate=0.34, mean=5.01, declared_type="text")
    after = Figures(100.5, (moved, column("new"), column("same", mean=1.0, top=new_values)))
    assert [change.message for change in diff_figures(before, after)] == [
        "a: type int → text",
        "a: null rate 0.2 % → 34 %",
        "new: column none → int",
        "same: share of 'California' 0 % → 30 %",
        "same: share of 'CA' 30 % → 0 %",
        "gone: column int → none",
    ]
    assert diff_figures(before, before) == ()

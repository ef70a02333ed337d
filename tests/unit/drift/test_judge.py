"""The judge on a made-up shop: what alarms, what stays silent, and what it learns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest

from services.drift.domain.profile import ColumnProfile, Profile
from services.drift.domain.record import CategoriesPlot, DriftKind, Found, HistogramPlot, Severity, Standing
from services.drift.domain.schema import SchemaColumn
from services.drift.domain.watch_settings import SchemaChange, SchemaRule, Watched, WatchSettings
from services.drift.methods.judge import DatasetState, Look, Verdict, decode_state, encode_state, judge
from services.drift.methods.layout import layout_of
from tests.unit.drift.tables import Day, date_of, make_day, number_column, profile_of, text_column

DEFAULT = WatchSettings()
Change = Callable[[Day], None]


def look(profile: Profile, schema: tuple[SchemaColumn, ...] = ()) -> Look:
    day = dt.date.fromisoformat(profile.partition)
    return Look(profile, dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC), schema)


def step(state: DatasetState, profile: Profile, settings: WatchSettings = DEFAULT) -> tuple[Verdict, DatasetState]:
    return judge(state, look(profile), settings)


def grown(days: int, settings: WatchSettings = DEFAULT) -> DatasetState:
    state = DatasetState()
    for number in range(days):
        _, state = step(state, profile_of(number), settings)
    return state


@pytest.fixture(scope="module")
def month() -> DatasetState:
    return grown(40)


def changed(number: int, change: Change) -> Profile:
    day = make_day(number)
    change(day)
    return profile_of(number, day)


def columns_found(verdict: Verdict) -> list[Found]:
    return [f for f in verdict.found if f.kind is DriftKind.DISTRIBUTION]


def nulls(share: float) -> Change:
    def change(day: Day) -> None:
        day.country = [None if i < share * len(day.country) else c for i, c in enumerate(day.country)]

    return change


def test_clean_days_stay_silent() -> None:
    state, loud = DatasetState(), []
    for number in range(120):
        verdict, state = step(state, profile_of(number))
        loud += [(number, f.message) for f in verdict.found]
    assert loud == []


def test_null_burst_names_its_column_first_with_both_rates(month: DatasetState) -> None:
    verdict, _ = step(month, changed(40, nulls(0.34)))
    found = columns_found(verdict)[0]
    assert found.columns[0] == "country"
    assert found.change == "null_rate"
    assert "null rate 0 % → 34 %" in found.message
    assert found.baseline_value == pytest.approx(0.0)
    assert found.current_value == pytest.approx(0.34)
    assert verdict.standing is Standing.DRIFTED
    assert found.confidence > 0.99


def test_values_a_hundred_times_larger_are_said_so(month: DatasetState) -> None:
    def change(day: Day) -> None:
        day.amount = [None if a is None else a * 100 for a in day.amount]

    found = columns_found(step(month, changed(40, change))[0])[0]
    assert found.columns == ("amount",)
    assert "values 100 times larger" in found.message
    assert found.severity is Severity.CRITICAL
    assert isinstance(found.plots[0], HistogramPlot)
    assert sum(found.plots[0].current_shares) == pytest.approx(1.0)


def test_renamed_category_is_told_as_one(month: DatasetState) -> None:
    def change(day: Day) -> None:
        day.country = ["Austria" if c == "AT" else c for c in day.country]

    found = columns_found(step(month, changed(40, change))[0])[0]
    assert found.columns[0] == "country"
    plot = next(p for p in found.plots if isinstance(p, CategoriesPlot))
    assert plot.values[0] == "AT"
    assert "Austria" in plot.values


def test_stale_load_is_told_whatever_the_statistics_say(month: DatasetState) -> None:
    stale = replace(profile_of(39), partition=date_of(40).isoformat())
    found = columns_found(step(month, stale)[0])[0]
    assert found.change == "stale_load"
    assert date_of(39).isoformat() in found.message


def test_copied_rows_are_told_of_the_table(month: DatasetState) -> None:
    def change(day: Day) -> None:
        day.copies = 120

    found = columns_found(step(month, changed(40, change))[0])[0]
    assert found.change == "duplicates"
    assert "30 % of the rows are copies" in found.message


def test_shifted_hours_are_named(month: DatasetState) -> None:
    def change(day: Day) -> None:
        day.created = [None if c is None else c - 8 * 3600 for c in day.created]

    found = columns_found(step(month, changed(40, change))[0])[0]
    assert found.columns == ("created",)


def test_tested_profile_never_trains_its_own_threshold(month: DatasetState) -> None:
    first, after = step(month, changed(40, nulls(0.34)))
    assert after.distribution is not None
    assert month.distribution is not None
    text = [c for c, _ in month.distribution.columns].index("country")
    rows = after.distribution.category_sizes[:, after_index(after, text)]
    assert first.score >= 1
    assert rows[-1] == 0
    assert rows[-2] > 0


def after_index(state: DatasetState, column: int) -> int:
    assert state.distribution is not None
    return layout_of(state.distribution.columns).categorical.index(column)


def test_same_deviation_is_told_once_and_then_quietly(month: DatasetState) -> None:
    first, state = step(month, changed(40, nulls(0.34)))
    second, _ = step(state, changed(41, nulls(0.36)))
    assert columns_found(first)[0].severity is not Severity.INFO
    assert columns_found(second)[0].severity is Severity.INFO
    assert "since earlier" in columns_found(second)[0].message


def test_deviation_that_nobody_accepted_stays_one_until_it_held(month: DatasetState) -> None:
    settings = WatchSettings(adopt_after=6)
    state, adopted = month, []
    for number in range(40, 50):
        verdict, state = step(state, changed(number, nulls(0.34)), settings)
        adopted.append(verdict.adopted)
    assert [(i, a[0][0]) for i, a in enumerate(adopted) if a] == [(5, "country")]
    verdict, _ = step(state, changed(50, nulls(0.34)), settings)
    assert columns_found(verdict) == []


def test_adoption_can_be_switched_off(month: DatasetState) -> None:
    settings, state = WatchSettings(adopt_after=0), month
    for number in range(40, 60):
        verdict, state = step(state, changed(number, nulls(0.34)), settings)
        assert verdict.adopted == ()
    assert columns_found(verdict) != []


def test_return_to_normal_is_silent(month: DatasetState) -> None:
    _, state = step(month, changed(40, nulls(0.34)))
    verdict, _ = step(state, profile_of(41))
    assert verdict.found == ()


def test_first_profile_ever_says_nothing_and_says_that_it_cannot() -> None:
    verdict, state = step(DatasetState(), profile_of(0))
    assert verdict.found == ()
    assert "not judged yet" in verdict.detectable
    assert state.distribution is not None
    assert state.distribution.length == 1


def test_three_profiles_of_history_see_only_large_changes() -> None:
    state = grown(3)
    small, _ = step(state, changed(3, nulls(0.03)))
    assert small.found == ()
    assert "not judged yet" not in step(grown(12), profile_of(12))[0].detectable.split(";")[1]


def test_what_can_be_seen_grows_smaller_with_history() -> None:
    def share(days: int) -> float:
        return float(step(grown(days), profile_of(days))[0].detectable.split("columns: ")[1].split(" %")[0])

    assert share(30) < share(5)


def test_state_survives_its_json_and_judges_the_same(month: DatasetState) -> None:
    again = decode_state(encode_state(month))
    for profile in (profile_of(40), changed(40, nulls(0.2))):
        ours, theirs = step(month, profile)[0], step(again, profile)[0]
        assert theirs.score == pytest.approx(ours.score, rel=1e-4)
        assert [f.message for f in theirs.found] == [f.message for f in ours.found]


def test_judgement_is_deterministic(month: DatasetState) -> None:
    profile = changed(40, nulls(0.2))
    assert step(month, profile)[0] == step(month, profile)[0]


def test_memory_does_not_grow_with_history() -> None:
    state, sizes = DatasetState(), []
    for number in range(160):
        _, state = step(state, profile_of(number))
        if number in (100, 159):
            sizes.append(len(encode_state(state)))
    assert sizes[1] < 1.2 * sizes[0]


def test_column_that_changes_kind_starts_anew_and_leaves_its_neighbours_alone(month: DatasetState) -> None:
    day = make_day(40)
    profile = profile_of(40, day)
    as_text = text_column("amount", [None if a is None else str(a) for a in day.amount])
    verdict, state = step(month, replace(profile, columns=(as_text, *profile.columns[1:])))
    assert columns_found(verdict) == []
    verdict, _ = step(state, changed(41, nulls(0.5)))
    assert columns_found(verdict)[0].columns[0] == "country"


def test_new_column_starts_its_own_history(month: DatasetState) -> None:
    state = month
    for number in range(40, 60):
        day = make_day(number)
        day.extra = [number_column("tax", [a * 0.2 if a is not None else None for a in day.amount])]
        verdict, state = step(state, profile_of(number, day))
        assert verdict.found == ()
    day = make_day(60)
    day.extra = [number_column("tax", [None] * len(day.amount))]
    verdict, _ = step(state, profile_of(60, day))
    assert columns_found(verdict)[0].columns == ("tax",)


def test_removed_column_is_forgotten_without_harm(month: DatasetState) -> None:
    profile = profile_of(40)
    verdict, state = step(month, replace(profile, columns=profile.columns[:2]))
    assert verdict.found == ()
    assert state.distribution is not None
    assert len(state.distribution.columns) == 2


@pytest.mark.parametrize(
    "columns",
    [
        lambda day: (number_column("amount", [None] * 400), text_column("country", [None] * 400)),
        lambda day: (number_column("amount", [7.0] * 400), text_column("country", ["same"] * 400)),
        lambda day: (number_column("amount", [float("nan"), float("inf")] * 200), text_column("country", [""] * 400)),
        lambda day: (number_column("amount", [float(i) for i in range(400)]), text_column("country", [f"id{day}-{i}" for i in range(400)])),
    ],
    ids=["all null", "constant", "not finite", "all distinct"],
)
def test_odd_columns_are_judged_without_an_alarm_when_they_stay_as_they_are(columns: Callable[[int], tuple[ColumnProfile, ...]]) -> None:
    state = DatasetState()
    for number in range(20):
        profile = replace(profile_of(number), columns=columns(number), distinct_rows=400)
        verdict, state = judge(state, look(profile), WatchSettings(watch=frozenset({Watched.DISTRIBUTION})))
        if number > 3 and columns(1) != columns(2):
            assert columns_found(verdict) == []


def test_empty_and_tiny_partitions_are_no_matter_of_distribution(month: DatasetState) -> None:
    empty = Profile(date_of(40).isoformat(), 0, ())
    verdict, state = step(month, empty)
    assert columns_found(verdict) == []
    one = make_day(41, rows=1)
    verdict, _ = step(state, profile_of(41, one))
    assert columns_found(verdict) == []


def test_incomplete_profile_is_not_judged_and_teaches_nothing(month: DatasetState) -> None:
    partial = replace(changed(40, nulls(0.9)), complete=False, missing=("amount",))
    verdict, state = step(month, partial)
    assert columns_found(verdict) == []
    assert state.distribution == month.distribution


def test_muted_columns_never_alarm(month: DatasetState) -> None:
    verdict, _ = step(month, changed(40, nulls(0.5)), WatchSettings(muted=("country",)))
    assert columns_found(verdict) == []


def test_kinds_that_are_not_watched_are_not_told(month: DatasetState) -> None:
    verdict, _ = step(month, changed(40, nulls(0.5)), WatchSettings(watch=frozenset({Watched.VOLUME})))
    assert verdict.found == ()


def test_higher_sensitivity_scores_higher(month: DatasetState) -> None:
    profile = changed(40, nulls(0.03))
    low, high = (step(month, profile, WatchSettings(sensitivity=s))[0].score for s in (0.75, 1.3))
    assert low < high


def test_future_timestamps_are_told(month: DatasetState) -> None:
    def change(day: Day) -> None:
        day.created = [None if c is None else c + 365 * 86400 if i < 80 else c for i, c in enumerate(day.created)]

    found = columns_found(step(month, changed(40, change))[0])[0]
    assert found.columns == ("created",)


def test_volume_finding_has_both_figures_and_the_band_that_it_left(month: DatasetState) -> None:
    verdict, _ = step(month, profile_of(40, make_day(40, rows=90)))
    found = next(f for f in verdict.found if f.kind is DriftKind.VOLUME)
    assert found.baseline_value == pytest.approx(400, rel=0.05)
    assert found.current_value == 90
    assert "90 rows, 400 expected" in found.message
    assert verdict.band is not None
    assert 90 < verdict.band.low < 400 < verdict.band.high


def test_going_on_is_told_with_its_beginning(month: DatasetState) -> None:
    state = month
    for number in (40, 41, 42):
        verdict, state = step(state, changed(number, nulls(0.34)))
    since = columns_found(verdict)[0].since
    assert since is not None
    assert since.date() == date_of(40)


COLUMNS = (SchemaColumn("AMOUNT", "NUMBER(12,2)", True, 1), SchemaColumn("COUNTRY", "VARCHAR(2)", False, 2))


def test_schema_changes_are_told_as_loud_as_the_rules_say() -> None:
    _, state = judge(DatasetState(), look(profile_of(0), COLUMNS), DEFAULT)
    retyped = (SchemaColumn("AMOUNT", "VARCHAR(20)", True, 1), COLUMNS[1], SchemaColumn("TAX", "FLOAT", True, 3))
    found = judge(state, look(profile_of(1), retyped), DEFAULT)[0].found
    assert {(f.change, f.columns) for f in found} == {("type_widened", ("AMOUNT",)), ("column_added", ("TAX",))}
    quiet = WatchSettings(schema_rules={SchemaChange.ADDED: SchemaRule.IGNORE, SchemaChange.WIDENED: SchemaRule.CRITICAL})
    found = judge(state, look(profile_of(1), retyped), quiet)[0].found
    assert [(f.change, f.severity) for f in found] == [("type_widened", Severity.CRITICAL)]


def test_order_of_the_catalogue_and_case_of_names_raise_nothing() -> None:
    _, state = judge(DatasetState(), look(profile_of(0), COLUMNS), DEFAULT)
    same = (replace(COLUMNS[1], name="Country"), replace(COLUMNS[0], name="amount"))
    assert judge(state, look(profile_of(1), same), DEFAULT)[0].found == ()

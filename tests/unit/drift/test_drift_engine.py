"""The engine behind the port: review and feedback, as the use cases ask for them."""

from __future__ import annotations

import datetime as dt

import pytest

from services.drift.app.ports import Judged, Judgement
from services.drift.domain.baseline import Mode
from services.drift.domain.dataset import CatalogColumn, CatalogTable
from services.drift.domain.errors import StateUnreadable
from services.drift.domain.profile import ColumnKind, Profile
from services.drift.domain.record import DriftKind, FeedbackVerdict, Found, Severity
from services.drift.domain.watch_settings import WatchSettings
from services.drift.engine.drift_engine import DriftEngine
from tests.unit.drift.tables import make_day, profile_of

ENGINE = DriftEngine()
SETTINGS = WatchSettings()
TABLE = CatalogTable(
    ("public", "orders"),
    (
        CatalogColumn("amount", "numeric(12,2)", True, 1, ColumnKind.NUMBER),
        CatalogColumn("country", "text", True, 2, ColumnKind.TEXT),
        CatalogColumn("created", "timestamp without time zone", True, 3, ColumnKind.TIME),
    ),
)


def judged(profile: Profile, table: CatalogTable | None = TABLE) -> Judged:
    day = dt.date.fromisoformat(profile.partition)
    return Judged(profile, table, dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC), "postgres")


def step(state: object, profile: Profile) -> Judgement:
    return ENGINE.judge(state, judged(profile), SETTINGS)


@pytest.fixture(scope="module")
def month() -> object:
    state = ENGINE.empty()
    for number in range(40):
        state = step(state, profile_of(number)).state
    return state


def with_nulls(number: int) -> Profile:
    day = make_day(number)
    day.country = [None if i < 100 else c for i, c in enumerate(day.country)]
    return profile_of(number, day)


def told(found: tuple[Found, ...]) -> list[Found]:
    return [f for f in found if f.severity is not Severity.INFO]


def test_accepted_column_is_normal_from_now_on(month: object) -> None:
    first = step(month, with_nulls(40))
    assert [f.columns for f in told(first.found)] == [("country",)]
    state = ENGINE.accept(first.state, frozenset({"country"}), Mode.FROM_NOW_ON, SETTINGS)
    second = step(state, with_nulls(41))
    assert second.found == ()


def test_accepting_another_column_changes_nothing(month: object) -> None:
    first = step(month, with_nulls(40))
    state = ENGINE.accept(first.state, frozenset({"amount"}), Mode.FROM_NOW_ON, SETTINGS)
    assert step(state, with_nulls(41)).found != ()


def test_accepting_once_leaves_history_as_it_was(month: object) -> None:
    first = step(month, with_nulls(40))
    state = ENGINE.accept(first.state, frozenset(), Mode.ONCE, SETTINGS)
    assert ENGINE.dump(state) == ENGINE.dump(first.state)
    assert step(state, profile_of(41)).found == ()


def test_accepting_all_moves_the_level_of_rows(month: object) -> None:
    state: object = month
    for number in (40, 41, 42):
        state = step(state, profile_of(number, make_day(number, rows=1200))).state
    state = ENGINE.accept(state, frozenset(), Mode.FROM_NOW_ON, SETTINGS)
    after = step(state, profile_of(43, make_day(43, rows=1200)))
    assert [f for f in after.found if f.kind is DriftKind.VOLUME] == []
    assert after.band is not None
    assert after.band.expected == pytest.approx(1200, rel=0.2)


def test_false_alarm_raises_the_threshold_of_what_moved(month: object) -> None:
    first = step(month, with_nulls(40))
    state = ENGINE.feedback(first.state, told(first.found)[0], FeedbackVerdict.FALSE, SETTINGS)
    state = ENGINE.feedback(state, told(first.found)[0], FeedbackVerdict.FALSE, SETTINGS)
    again = step(state, with_nulls(48))
    fresh = step(month, with_nulls(48))
    confidence = max((f.confidence for f in again.found), default=0.0)
    assert confidence <= max(f.confidence for f in fresh.found)
    assert ENGINE.dump(state) != ENGINE.dump(first.state)


def test_false_alarm_about_rows_widens_the_band(month: object) -> None:
    drop = step(month, profile_of(40, make_day(40, rows=250)))
    found = next(f for f in drop.found if f.kind is DriftKind.VOLUME)
    state: object = drop.state
    for _ in range(3):
        state = ENGINE.feedback(state, found, FeedbackVerdict.FALSE, SETTINGS)
    before, after = step(month, profile_of(40)).band, step(state, profile_of(41)).band
    assert before is not None
    assert after is not None
    assert after.low < before.low


def test_confirmed_fault_is_never_adopted_by_holding(month: object) -> None:
    judgement = step(month, with_nulls(40))
    state = ENGINE.feedback(judgement.state, told(judgement.found)[0], FeedbackVerdict.REAL, SETTINGS)
    for number in range(41, 60):
        judgement = ENGINE.judge(state, judged(with_nulls(number)), SETTINGS)
        state = judgement.state
        assert judgement.adopted == ()
    assert judgement.found != ()


def test_state_of_the_engine_goes_through_text(month: object) -> None:
    again = ENGINE.load(ENGINE.dump(month))
    assert [f.message for f in step(again, with_nulls(40)).found] == [f.message for f in step(month, with_nulls(40)).found]
    with pytest.raises(TypeError, match="another engine"):
        ENGINE.dump("text")


@pytest.mark.parametrize("text", ["{}", '{"v": 99}', "not json"])
def test_state_of_another_version_is_unreadable(text: str) -> None:
    with pytest.raises(StateUnreadable):
        ENGINE.load(text)


def test_columns_are_taken_over_only_where_none_are_known(month: object) -> None:
    empty = ENGINE.with_columns_of(ENGINE.empty(), month)
    added = CatalogTable(TABLE.path, (*TABLE.columns, CatalogColumn("tax", "text", True, 4, ColumnKind.TEXT)))
    found = ENGINE.judge(empty, judged(profile_of(40), added), SETTINGS).found
    assert [(f.change, f.columns) for f in found] == [("column_added", ("tax",))]
    assert ENGINE.dump(ENGINE.with_columns_of(month, empty)) == ENGINE.dump(month)


def test_catalogue_of_postgres_is_read_as_such(month: object) -> None:
    retyped = CatalogTable(TABLE.path, (CatalogColumn("amount", "numeric(14,2)", True, 1, ColumnKind.NUMBER), *TABLE.columns[1:]))
    found = ENGINE.judge(month, judged(profile_of(40), retyped), SETTINGS).found
    assert [(f.change, f.columns) for f in found] == [("type_widened", ("amount",))]


def test_unknown_catalogue_raises_nothing(month: object) -> None:
    assert ENGINE.judge(month, judged(profile_of(40), None), SETTINGS).found == ()

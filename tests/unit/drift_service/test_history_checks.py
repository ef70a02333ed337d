"""Checks of SodaCL answered from profiles: by the shipped engine, on series whose answer anybody would give."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from services.drift.app.answer_checks import AnswerChecks
from services.drift.domain.connection import PostgresConnection
from services.drift.domain.dataset import DatasetDefinition
from services.drift.domain.history_checks import AnomalyCheck, CheckAnswer, CheckVerdict, DistributionCheck, HistoryCheck, Method
from services.drift.domain.profile import QUANTILE_LEVELS, ColumnKind, ColumnProfile, Profile
from services.drift.domain.record import KeptProfile, Standing, Watch
from services.drift.engine.history_judge import EngineHistoryJudge

START = datetime(2026, 1, 1, tzinfo=UTC)
EDGES = (10.0, 20.0, 30.0)


def column(mean: float, nulls: int, histogram: tuple[int, ...] = (100, 200, 300, 400)) -> ColumnProfile:
    quantiles = tuple(mean + 10 * (level - 0.5) for level in QUANTILE_LEVELS)
    return ColumnProfile(
        "Amount", ColumnKind.NUMBER, nulls=nulls, mean=mean, stddev=5.0, quantiles=quantiles, edges=EDGES, histogram=histogram
    )


def country(share: int) -> ColumnProfile:
    return ColumnProfile("country", ColumnKind.TEXT, top=(("AT", share), ("DE", 1000 - share)))


def kept(day: int, rows: int, *columns: ColumnProfile) -> KeptProfile:
    time = START + timedelta(days=day)
    profile = Profile(time.date().isoformat(), rows, columns)
    return KeptProfile(str(day), "d", "at/day/UTC", time, time, profile, Standing.NORMAL, time)


def history(days: int = 60) -> list[KeptProfile]:
    dice = random.Random(7)  # noqa: S311 -- figures of a test
    return [
        kept(day, 1000 + dice.randrange(80), column(25 + dice.random(), 10 + dice.randrange(4)), country(600 + dice.randrange(20)))
        for day in range(days)
    ]


class Store:
    """Watch, profiles and registry of one dataset."""

    def __init__(self, profiles: Sequence[KeptProfile], drift_yaml: str = "partition: at\n") -> None:
        self._profiles = profiles
        self._yaml = drift_yaml

    async def watch(self, tenant_id: str, dataset_id: str) -> Watch | None:
        return Watch("d", "at/day/UTC", "", "", START, 1) if self._profiles else None

    async def newest(self, tenant_id: str, dataset_id: str, layout: str, limit: int, *, learned: bool = False) -> Sequence[KeptProfile]:
        return self._profiles[-limit:]

    async def dataset(self, tenant_id: str, dataset_id: str) -> DatasetDefinition:
        spec = PostgresConnection("h", 1, "d", "s", "u", "disable")
        return DatasetDefinition("d", "d", "", "", "t", self._yaml, (), spec, tenant_active=True)


async def answer(check: HistoryCheck, profiles: Sequence[KeptProfile]) -> CheckAnswer:
    store = Store(profiles)
    (found,) = await AnswerChecks(store, store, store, EngineHistoryJudge()).execute("tenant", "d", [check])  # type: ignore[arg-type]
    assert found.id == check.id
    return found


ROWS, MISSING, MEAN = AnomalyCheck("r", "row_count", ""), AnomalyCheck("m", "missing_percent", "AMOUNT"), AnomalyCheck("a", "avg", "Amount")


@pytest.mark.parametrize("check", [ROWS, MISSING, MEAN])
async def test_metric_where_it_always_was_passes(check: AnomalyCheck) -> None:
    found = await answer(check, history())
    assert (found.verdict, found.message) == (CheckVerdict.PASS, "")
    assert found.threshold.startswith("between ")


@pytest.mark.parametrize(
    ("check", "last"),
    [
        (ROWS, kept(60, 120, column(25, 1), country(600))),
        (MISSING, kept(60, 1000, column(25, 600), country(600))),
        (MEAN, kept(60, 1000, column(2500, 10), country(600))),
        (MEAN, kept(60, 1000, column(-300, 10), country(600))),
    ],
)
async def test_metric_far_away_fails_and_says_what_was_expected(check: AnomalyCheck, last: KeptProfile) -> None:
    found = await answer(check, [*history(), last])
    assert found.verdict is CheckVerdict.FAIL
    assert ", expected between " in found.message
    assert found.measured_value is not None


async def test_band_is_in_the_units_of_the_metric() -> None:
    found = await answer(MEAN, history())
    low, high = (float(word) for word in found.threshold.removeprefix("between ").split(" and "))
    assert 15 < low < 25 < 26 < high < 40


async def test_distribution_that_stayed_passes_by_every_measure() -> None:
    for method, threshold in (
        (Method.KS, 0.05),
        (Method.CHI_SQUARE, 0.05),
        (Method.PSI, 0.1),
        (Method.SWD, 0.3),
        (Method.SEMD, 0.3),
        (None, 0.05),
    ):
        found = await answer(DistributionCheck("d", "amount", method, "", threshold), history())
        assert found.verdict is CheckVerdict.PASS, method


async def test_distribution_that_moved_fails_by_every_measure() -> None:
    moved = [*history(), kept(60, 1000, column(60, 10, (700, 100, 100, 100)), country(100))]
    for name in ("Amount", "country"):
        for method, threshold in ((Method.KS, 0.05), (Method.CHI_SQUARE, 0.05), (Method.PSI, 0.1), (None, 0.05)):
            found = await answer(DistributionCheck("d", name, method, "", threshold), moved)
            assert found.verdict is CheckVerdict.FAIL, (name, method)
            assert f"distribution_difference({name}) is " in found.message
    assert (await answer(DistributionCheck("d", "amount", Method.SWD, "<", 0.3), moved)).verdict is CheckVerdict.FAIL


async def test_comparison_is_the_one_that_was_asked_for() -> None:
    found = await answer(DistributionCheck("d", "amount", Method.PSI, ">=", 10.0), history())
    assert (found.verdict, found.threshold) == (CheckVerdict.FAIL, ">= 10")


async def test_short_history_and_missing_columns_say_so() -> None:
    assert (await answer(ROWS, [])).verdict is CheckVerdict.NOT_EVALUATED
    assert "too little history" in (await answer(ROWS, history(2))).message
    assert (await answer(DistributionCheck("d", "amount", None, "", 0.05), history(1))).verdict is CheckVerdict.NOT_EVALUATED
    wrong = await answer(AnomalyCheck("x", "avg", "tarot"), history())
    assert (wrong.verdict, wrong.message) == (CheckVerdict.ERROR, "The newest profile has no column tarot.")
    assert "hold no freshness" in (await answer(AnomalyCheck("x", "freshness", "at"), history())).message
    without = await answer(AnomalyCheck("x", "avg", "country"), history())
    assert without.verdict is CheckVerdict.NOT_EVALUATED

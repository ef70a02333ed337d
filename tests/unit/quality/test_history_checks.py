"""Checks of SodaCL that the history answers: what is asked, and how the answers come back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.quality.app.answer_history_checks import AnswerHistoryChecks
from services.quality.domain.drift import AnomalyQuestion, DistributionQuestion, DriftAnswer, DriftFailed
from services.quality.domain.drift_checks import NotAnswerable, belongs_to_drift, question_of
from services.quality.domain.run import ClaimedRun, RunKind, RunTrigger
from services.quality.domain.scan import CheckResult, CheckVerdict
from tests.unit.quality.fakes import FakeDrift, check_result, definition

TABLE = "customers"


def check(text: str, table: str = TABLE) -> CheckResult:
    return replace(check_result(CheckVerdict.ERROR), id="q", definition=text, table=table, message="This check belongs to drift detection")


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("anomaly detection for row_count", AnomalyQuestion("row_count", "")),
        ("anomaly score for row_count < default", AnomalyQuestion("row_count", "")),
        ("anomaly detection for missing_percent(e_mail)", AnomalyQuestion("missing_percent", "e_mail")),
        ('anomaly detection for avg("Unit Price"):\n  name: price\n', AnomalyQuestion("avg", "Unit Price")),
        ("distribution_difference(country) > 0.05", DistributionQuestion("country", "", ">", 0.05)),
        ("distribution_difference(amount, ref_v1) < 0.1:\n  method: psi\n", DistributionQuestion("amount", "psi", "<", 0.1)),
        ("distribution_difference(amount) >= .2", DistributionQuestion("amount", "", ">=", 0.2)),
        ("distribution_difference(amount)", DistributionQuestion("amount", "", "", 0.05)),
    ],
)
def test_definition_is_a_question(text: str, asked: AnomalyQuestion | DistributionQuestion) -> None:
    assert belongs_to_drift(text)
    assert question_of(check(text), "CUSTOMERS").asked == asked


@pytest.mark.parametrize(
    ("text", "table", "reason"),
    [
        ("anomaly detection for row_count", "orders", "register orders as a dataset"),
        ("anomaly detection for percentile(a)", TABLE, "no metric percentile"),
        ("anomaly detection for avg", TABLE, "needs a column"),
        ("anomaly detection for row_count(a)", TABLE, "takes no column"),
        ("anomaly detection for", TABLE, "is expected"),
        ("distribution_difference() > 1", TABLE, "is expected"),
        ("distribution_difference(a) > 1.2.3", TABLE, "must be a number"),
        ("distribution_difference(a) > 1:\n  method: tarot\n", TABLE, "`method` must be one of"),
    ],
)
def test_what_cannot_be_asked_says_why(text: str, table: str, reason: str) -> None:
    with pytest.raises(NotAnswerable, match=reason.replace("(", "\\(")):
        question_of(check(text, table), TABLE)


def test_other_checks_are_left_alone() -> None:
    for text in ("row_count > 0", "change for row_count < 5", "avg(anomaly) > 3", "anomaly_count(a) = 0"):
        assert not belongs_to_drift(text)


async def run_of(drift: FakeDrift | None, *checks: CheckResult) -> tuple[CheckResult, ...]:
    kinds, created = (RunKind.QUALITY,), datetime(2026, 3, 12, tzinfo=UTC)
    run = ClaimedRun("run", "tenant", "dataset", "name", kinds, RunTrigger.API, {}, 1, 0, "token", created, 0.0, 4)
    return await AnswerHistoryChecks(drift).execute(run, definition(run.dataset_id), checks)


async def test_answers_stand_where_the_checks_were() -> None:
    other = check_result(CheckVerdict.PASS)
    answer = DriftAnswer("FAIL", 3.0, "between 90 and 110", "row_count is 3, expected between 90 and 110.")
    first, asked = await run_of(FakeDrift(answers={"q": answer}), other, check("anomaly detection for row_count"))
    assert first == other
    assert (asked.verdict, asked.measured_value, asked.threshold) == (CheckVerdict.FAIL, 3.0, "between 90 and 110")
    assert asked.definition == "anomaly detection for row_count"


async def test_without_a_drift_service_the_checks_say_so() -> None:
    asked = check("anomaly detection for row_count")
    assert await run_of(None, asked) == (asked,)


async def test_check_that_cannot_be_asked_is_an_error_and_its_neighbour_is_answered() -> None:
    drift = FakeDrift(answers={"q": DriftAnswer("PASS", 1.0, "", "")})
    wrong = replace(check("anomaly detection for tarot"), id="w")
    answered = await run_of(drift, wrong, check("anomaly detection for row_count"))
    assert [one.verdict for one in answered] == [CheckVerdict.ERROR, CheckVerdict.PASS]
    assert "no metric tarot" in answered[0].message


async def test_drift_that_cannot_be_evaluated_is_told_in_each_check() -> None:
    (asked,) = await run_of(FakeDrift(DriftFailed("TABLE_NOT_FOUND", "There is no table.")), check("anomaly detection for row_count"))
    assert (asked.verdict, asked.message) == (CheckVerdict.ERROR, "Drift could not be evaluated: There is no table.")

"""Rules of runs that need nothing but the values."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.quality.domain.drift import DriftFinding, DriftKind, DriftSeverity
from services.quality.domain.errors import NothingToRun, describe_problem
from services.quality.domain.kinds import KindChoice
from services.quality.domain.retry import RetryPolicy
from services.quality.domain.run import RunKind, RunState, RunVerdict, count_verdicts, overall_verdict
from services.quality.domain.scan import CheckProblem, CheckVerdict
from tests.unit.quality.fakes import check_result, definition

V = CheckVerdict
_ANY_VERDICTS = st.lists(st.sampled_from(list(CheckVerdict)), max_size=20)


def finding(severity: DriftSeverity) -> DriftFinding:
    return DriftFinding("f", "d", DriftKind.VOLUME, "volume_drop", (), "fewer rows", severity, 0.9, 10.0, 5.0, None)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([V.PASS], RunVerdict.PASS),
        ([V.PASS, V.NOT_EVALUATED], RunVerdict.PASS),
        ([V.NOT_EVALUATED, V.NOT_EVALUATED], RunVerdict.WARN),
        ([V.PASS, V.WARN], RunVerdict.WARN),
        ([V.WARN, V.ERROR], RunVerdict.ERROR),
        ([V.ERROR, V.FAIL, V.WARN, V.PASS], RunVerdict.FAIL),
    ],
)
def test_the_verdict_of_a_run_is_its_worst_check(verdicts: list[CheckVerdict], expected: RunVerdict) -> None:
    assert overall_verdict([check_result(verdict) for verdict in verdicts], ()) is expected


@given(_ANY_VERDICTS)
def test_a_failed_check_fails_the_run_whatever_stands_beside_it(verdicts: list[CheckVerdict]) -> None:
    checks = [check_result(verdict) for verdict in [*verdicts, V.FAIL]]
    assert overall_verdict(checks, ()) is RunVerdict.FAIL


@given(_ANY_VERDICTS)
def test_every_check_is_counted_exactly_once(verdicts: list[CheckVerdict]) -> None:
    counts = count_verdicts([check_result(verdict) for verdict in verdicts])
    assert counts.total == len(verdicts)
    assert counts.passed + counts.warned + counts.failed + counts.errored + counts.not_evaluated == counts.total


@pytest.mark.parametrize(
    ("severity", "expected"),
    [
        (DriftSeverity.INFO, RunVerdict.PASS),
        (DriftSeverity.WARNING, RunVerdict.WARN),
        (DriftSeverity.CRITICAL, RunVerdict.FAIL),
    ],
)
def test_drift_counts_by_its_severity(severity: DriftSeverity, expected: RunVerdict) -> None:
    assert overall_verdict([check_result(V.PASS)], [finding(severity)]) is expected


def test_only_queued_and_running_have_not_ended() -> None:
    assert [state for state in RunState if not state.ended] == [RunState.QUEUED, RunState.RUNNING]


def test_without_a_choice_a_run_does_all_that_can_be_done() -> None:
    dataset = definition("d")
    assert KindChoice(drift_available=False).choose(dataset, ()) == (RunKind.QUALITY,)
    assert KindChoice(drift_available=True).choose(dataset, ()) == (RunKind.QUALITY, RunKind.DRIFT)
    without_checks = replace(dataset, checks_yaml="  \n")
    assert KindChoice(drift_available=True).choose(without_checks, ()) == (RunKind.DRIFT,)


@pytest.mark.parametrize(
    ("checks_yaml", "asked", "told"),
    [
        ("", (), "no checks"),
        ("", (RunKind.QUALITY,), "no checks"),
        ("checks for a:\n- row_count > 0", (RunKind.DRIFT,), "not set up"),
        ("checks for a:\n- row_count > 0", (RunKind.QUALITY, RunKind.DRIFT), "not set up"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_reason(checks_yaml: str, asked: tuple[RunKind, ...], told: str) -> None:
    with pytest.raises(NothingToRun, match=told):
        KindChoice(drift_available=False).choose(definition("d", checks_yaml=checks_yaml), asked)


def test_waits_between_attempts_grow_and_stay_at_the_longest() -> None:
    policy = RetryPolicy()
    assert [policy.delay_after(attempt) for attempt in (1, 2, 3, 4, 9)] == [2.0, 5.0, 11.0, 11.0, 11.0]
    assert policy.max_failures == 4
    assert RetryPolicy(()).delay_after(1) == 0.0


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (CheckProblem(3, 7, "unknown check"), "line 3, column 7: unknown check"),
        (CheckProblem(3, 0, "unknown check"), "line 3: unknown check"),
        (CheckProblem(0, 0, "no checks"), "no checks"),
    ],
)
def test_a_problem_is_told_with_its_place(problem: CheckProblem, text: str) -> None:
    assert describe_problem(problem) == text

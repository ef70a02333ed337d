"""Has the drift service answer those checks of a run that only a history can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.quality.app.ports import DriftEvaluator
from services.quality.domain.definition import DatasetDefinition
from services.quality.domain.drift import DriftAnswer, DriftAnswers, DriftFailed, DriftQuestion
from services.quality.domain.drift_checks import NotAnswerable, belongs_to_drift, question_of
from services.quality.domain.run import ClaimedRun
from services.quality.domain.scan import CheckResult, CheckVerdict


class AnswerHistoryChecks:
    """Answers the results with those of such checks filled in; without a drift service they say why they are not."""

    def __init__(self, drift: DriftEvaluator | None) -> None:
        self._drift = drift

    async def execute(self, run: ClaimedRun, dataset: DatasetDefinition, checks: Sequence[CheckResult]) -> tuple[CheckResult, ...]:
        """Raises DependencyUnavailable when the drift service does not answer."""
        theirs = {check.id for check in checks if check.verdict is CheckVerdict.ERROR and belongs_to_drift(check.definition)}
        if self._drift is None or not theirs:
            return tuple(checks)
        questions: list[DriftQuestion] = []
        answers: dict[str, DriftAnswer] = {}
        for check in checks:
            if check.id in theirs:
                try:
                    questions.append(question_of(check, dataset.table))
                except NotAnswerable as reason:
                    answers[check.id] = _error(str(reason))
        answers |= await self._asked(self._drift, run, questions)
        return tuple(_answered(check, answers[check.id]) if check.id in answers else check for check in checks)

    async def _asked(self, drift: DriftEvaluator, run: ClaimedRun, questions: Sequence[DriftQuestion]) -> DriftAnswers:
        if not questions:
            return {}
        try:
            return await drift.answer(run.tenant_id, run.dataset_id, run.id, questions)
        except DriftFailed as failed:
            return {question.id: _error(f"Drift could not be evaluated: {failed.message}") for question in questions}


def _error(message: str) -> DriftAnswer:
    return DriftAnswer(CheckVerdict.ERROR.value, None, "", message)


def _answered(check: CheckResult, answer: DriftAnswer) -> CheckResult:
    return replace(
        check,
        verdict=CheckVerdict(answer.verdict),
        measured_value=answer.measured_value,
        threshold=answer.threshold or check.threshold,
        message=answer.message,
    )

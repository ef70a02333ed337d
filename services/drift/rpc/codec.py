"""Findings, profiles, baselines and backfills between the domain and protobuf."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from chalkandduster.drift.v1 import backfill_pb2, baseline_pb2, evaluation_pb2, finding_pb2, profile_pb2
from services.common.errors import FieldViolation, InvalidRequest
from services.drift.app.diff_baselines import BaselineDiff
from services.drift.app.validate_settings import ValidatedSettings
from services.drift.domain.backfill import Backfill
from services.drift.domain.baseline import Baseline, ColumnFigures, Figures, Mode
from services.drift.domain.history_checks import AnomalyCheck, CheckAnswer, DistributionCheck, HistoryCheck, Method
from services.drift.domain.periods import parse_label
from services.drift.domain.profile import QUANTILE_LEVELS, ColumnKind, ColumnProfile
from services.drift.domain.record import (
    CategoriesPlot,
    DriftKind,
    Evaluation,
    Feedback,
    FeedbackVerdict,
    Finding,
    FindingFilter,
    HistogramPlot,
    KeptProfile,
    Plot,
    Severity,
)


def timestamp(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time)
    return message


def to_time(message: Timestamp, field: str) -> datetime:
    """Raises InvalidRequest for a time that no calendar has."""
    try:
        return message.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest([FieldViolation(field, "must be a time from year 1 to year 9999")]) from error


def to_filter(request: finding_pb2.ListDriftsRequest) -> FindingFilter:
    return FindingFilter(
        dataset_id=request.dataset_id.lower() or None,
        kind=DriftKind(finding_pb2.DriftFinding.Kind.Name(request.kind)) if request.kind else None,
        severity=Severity(finding_pb2.DriftFinding.Severity.Name(request.severity)) if request.severity else None,
        from_time=to_time(request.from_time, "from_time") if request.HasField("from_time") else None,
        to_time=to_time(request.to_time, "to_time") if request.HasField("to_time") else None,
        run_id=request.run_id.lower() or None,
    )


def to_verdict(verdict: finding_pb2.DriftFeedback.Verdict.ValueType) -> FeedbackVerdict:
    return FeedbackVerdict(finding_pb2.DriftFeedback.Verdict.Name(verdict))


def to_mode(mode: baseline_pb2.Baseline.Mode.ValueType) -> Mode:
    return Mode(baseline_pb2.Baseline.Mode.Name(mode)) if mode else Mode.FROM_NOW_ON


def from_finding(finding: Finding, *, with_plots: bool = True) -> finding_pb2.DriftFinding:
    found = finding.found
    return finding_pb2.DriftFinding(
        id=finding.id,
        dataset_id=finding.dataset_id,
        kind=finding_pb2.DriftFinding.Kind.Value(found.kind.value),
        change=found.change,
        columns=found.columns,
        message=found.message,
        severity=finding_pb2.DriftFinding.Severity.Value(found.severity.value),
        confidence=found.confidence,
        baseline_value=_finite(found.baseline_value),
        current_value=_finite(found.current_value),
        since_time=timestamp(found.since),
        partition_time=timestamp(finding.partition_time),
        profile_id=finding.profile_id,
        run_id=finding.run_id,
        baseline_version=finding.baseline_version,
        create_time=timestamp(finding.create_time),
        feedback=_from_feedback(finding.feedback) if finding.feedback else None,
        plots=[_from_plot(plot) for plot in found.plots] if with_plots else (),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _from_feedback(feedback: Feedback) -> finding_pb2.DriftFeedback:
    return finding_pb2.DriftFeedback(
        verdict=finding_pb2.DriftFeedback.Verdict.Value(feedback.verdict.value),
        comment=feedback.comment,
        author=feedback.author,
        create_time=timestamp(feedback.create_time),
    )


def _from_plot(plot: Plot) -> finding_pb2.DriftPlot:
    message = finding_pb2.DriftPlot(column=plot.column)
    if isinstance(plot, HistogramPlot):
        shares = {"baseline_shares": plot.baseline_shares, "current_shares": plot.current_shares}
        message.histogram.CopyFrom(finding_pb2.HistogramPlot(edges=plot.edges, **shares))
    elif isinstance(plot, CategoriesPlot):
        shares = {"baseline_shares": plot.baseline_shares, "current_shares": plot.current_shares}
        message.categories.CopyFrom(finding_pb2.CategoriesPlot(values=plot.values, **shares))
    else:
        points = (
            finding_pb2.SeriesPoint(
                time=timestamp(point.time), value=point.value, expected=point.expected, low=_finite(point.low), high=_finite(point.high)
            )
            for point in plot.points
        )
        message.series.CopyFrom(finding_pb2.SeriesPlot(points=points))
    return message


def from_profile(kept: KeptProfile, *, with_columns: bool) -> profile_pb2.Profile:
    profile, band = kept.profile, kept.band
    return profile_pb2.Profile(
        id=kept.id,
        dataset_id=kept.dataset_id,
        partition_time=timestamp(kept.time),
        row_count=profile.rows,
        distinct_row_count=profile.distinct_rows,
        newest_time=timestamp(_newest(profile.newest)),
        sampled=profile.sampled,
        complete=profile.complete,
        missing_columns=profile.missing,
        standing=profile_pb2.Profile.Standing.Value(kept.standing.value),
        band=profile_pb2.VolumeBand(
            expected=band.expected, low=band.low, high=band.high, smallest_change=band.smallest_change
        ) if band else None,
        backfilled=kept.backfilled,
        run_id=kept.run_id,
        create_time=timestamp(kept.create_time),
        columns=[_from_column(column) for column in profile.columns] if with_columns else (),
    )  # fmt: skip


def _newest(text: str | None) -> datetime | None:
    """The newest value of the partition column, taken for UTC where it has no offset; None for one beyond the calendar."""
    if text is None:
        return None
    try:
        return parse_label(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def _from_column(column: ColumnProfile) -> profile_pb2.ColumnProfile:
    histogram = profile_pb2.Histogram(edges=column.edges, counts=column.histogram) if column.histogram else None
    levels = zip(QUANTILE_LEVELS, column.quantiles, strict=False)
    return profile_pb2.ColumnProfile(
        name=column.name,
        kind=_from_kind(column.kind),
        declared_type=column.declared_type,
        null_count=column.nulls,
        distinct_count=column.distinct,
        min=column.low,
        max=column.high,
        mean=column.mean,
        stddev=column.stddev,
        quantiles=[profile_pb2.Quantile(level=level, value=value) for level, value in levels],
        histogram=histogram,
        top_values=[profile_pb2.TopValue(value=value, count=count) for value, count in column.top],
        property_counts=dict(column.counts),
        hour_counts=column.hours,
    )


def _from_kind(kind: ColumnKind) -> profile_pb2.ColumnProfile.Kind.ValueType:
    return profile_pb2.ColumnProfile.Kind.Value(kind.name)


def from_baseline(baseline: Baseline, *, whole: bool = True) -> baseline_pb2.Baseline:
    return baseline_pb2.Baseline(
        dataset_id=baseline.dataset_id,
        version=baseline.version,
        active=baseline.active,
        origin=baseline_pb2.Baseline.Origin.Value(baseline.origin.value),
        parent_version=baseline.parent_version,
        window_start_time=timestamp(baseline.window_start),
        window_end_time=timestamp(baseline.window_end),
        profile_ids=baseline.profile_ids,
        columns=baseline.columns,
        mode=baseline_pb2.Baseline.Mode.Value(baseline.mode.value) if baseline.mode else baseline_pb2.Baseline.MODE_UNSPECIFIED,
        author=baseline.author,
        reason=baseline.reason,
        create_time=timestamp(baseline.create_time),
        expire_time=timestamp(baseline.expire_time),
        figures=_from_figures(baseline.figures) if whole else None,
    )


def _from_figures(figures: Figures) -> baseline_pb2.BaselineFigures:
    return baseline_pb2.BaselineFigures(row_count=figures.rows, columns=[_from_column_figures(column) for column in figures.columns])


def _from_column_figures(column: ColumnFigures) -> baseline_pb2.BaselineColumn:
    return baseline_pb2.BaselineColumn(
        name=column.name,
        declared_type=column.declared_type,
        kind=_from_kind(column.kind),
        null_rate=column.null_rate,
        distinct_count=column.distinct,
        min=column.low,
        mean=column.mean,
        max=column.high,
        median=column.median,
        top_values=[baseline_pb2.ValueShare(value=value, share=share) for value, share in column.top],
    )


def from_diff(diff: BaselineDiff) -> baseline_pb2.DiffBaselinesResponse:
    changes = (
        baseline_pb2.BaselineChange(
            column=change.column, figure=change.figure, before=change.before, after=change.after, message=change.message
        )
        for change in diff.changes
    )
    return baseline_pb2.DiffBaselinesResponse(from_version=diff.from_version, to_version=diff.to_version, changes=changes)


def from_backfill(backfill: Backfill) -> backfill_pb2.Backfill:
    return backfill_pb2.Backfill(
        id=backfill.id,
        dataset_id=backfill.dataset_id,
        state=backfill_pb2.Backfill.State.Value(backfill.state.value),
        source=backfill_pb2.Backfill.Source.Value(backfill.source.value),
        from_time=timestamp(backfill.from_time),
        to_time=timestamp(backfill.to_time),
        partitions_total=backfill.partitions_total,
        partitions_done=backfill.partitions_done,
        cancel_requested=backfill.cancel_requested,
        error_reason=backfill.error_reason,
        error_message=backfill.error_message,
        requested_by=backfill.requested_by,
        create_time=timestamp(backfill.create_time),
        start_time=timestamp(backfill.start_time),
        end_time=timestamp(backfill.end_time),
    )


_COMPARISONS = {
    evaluation_pb2.DistributionCheck.COMPARISON_UNSPECIFIED: "",
    evaluation_pb2.DistributionCheck.LESS: "<",
    evaluation_pb2.DistributionCheck.LESS_OR_EQUAL: "<=",
    evaluation_pb2.DistributionCheck.GREATER: ">",
    evaluation_pb2.DistributionCheck.GREATER_OR_EQUAL: ">=",
}


def to_check(check: evaluation_pb2.DriftCheck) -> HistoryCheck:
    if check.WhichOneof("kind") == "anomaly":
        return AnomalyCheck(check.id, check.anomaly.metric, check.anomaly.column)
    asked = check.distribution
    method = Method(evaluation_pb2.DistributionCheck.Method.Name(asked.method).lower()) if asked.method else None
    return DistributionCheck(check.id, asked.column, method, _COMPARISONS[asked.comparison], asked.threshold)


def _from_answer(answer: CheckAnswer) -> evaluation_pb2.DriftCheckResult:
    return evaluation_pb2.DriftCheckResult(
        id=answer.id,
        verdict=evaluation_pb2.DriftCheckResult.Verdict.Value(answer.verdict.value),
        measured_value=_finite(answer.measured_value),
        threshold=answer.threshold,
        message=answer.message,
    )


def from_evaluation(evaluation: Evaluation, answers: Sequence[CheckAnswer]) -> evaluation_pb2.EvaluateDatasetResponse:
    return evaluation_pb2.EvaluateDatasetResponse(
        findings=[from_finding(finding, with_plots=False) for finding in evaluation.findings],
        partitions_judged=evaluation.partitions_judged,
        complete=evaluation.complete,
        checks=[_from_answer(answer) for answer in answers],
    )


def from_validated(validated: ValidatedSettings) -> evaluation_pb2.ValidateDriftSettingsResponse:
    errors = (
        evaluation_pb2.DriftSettingsError(line=problem.line, column=problem.column, message=problem.message)
        for problem in validated.problems
    )
    return evaluation_pb2.ValidateDriftSettingsResponse(
        valid=not validated.problems, errors=errors, effective_yaml=validated.effective_yaml
    )

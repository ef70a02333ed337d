"""Messages to domain objects and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from chalkandduster.drift.v1 import finding_pb2
from chalkandduster.quality.v1 import check_pb2, run_pb2, schedule_pb2
from services.common.errors import FieldViolation, InvalidRequest
from services.quality.app.ports import CheckSamples
from services.quality.domain.drift import DriftFinding
from services.quality.domain.run import CheckCounts, Run, RunFilter, RunKind, RunState, RunTrigger, RunVerdict
from services.quality.domain.scan import CheckResult, ValidatedChecks
from services.quality.domain.schedule import Schedule

_MAX_INT32 = 2**31 - 1


def timestamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    encoded = Timestamp()
    encoded.FromDatetime(moment)
    return encoded


def to_time(message: Timestamp, field: str) -> datetime:
    """Raises InvalidRequest for a time that no calendar has."""
    try:
        return message.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest([FieldViolation(field, "must be a time from year 1 to year 9999")]) from error


def to_kinds(values: Sequence[run_pb2.Run.Kind.ValueType]) -> tuple[RunKind, ...]:
    return tuple(RunKind(run_pb2.Run.Kind.Name(value)) for value in values)


def from_kinds(kinds: Sequence[RunKind]) -> list[run_pb2.Run.Kind.ValueType]:
    return [run_pb2.Run.Kind.Value(kind.value) for kind in kinds]


def to_filter(request: run_pb2.ListRunsRequest) -> RunFilter:
    return RunFilter(
        dataset_id=request.dataset_id or None,
        state=RunState(run_pb2.Run.State.Name(request.state)) if request.state else None,
        verdict=RunVerdict(run_pb2.Run.Verdict.Name(request.verdict)) if request.verdict else None,
        trigger=RunTrigger(run_pb2.Run.Trigger.Name(request.trigger)) if request.trigger else None,
        from_time=to_time(request.from_time, "from_time") if request.HasField("from_time") else None,
        to_time=to_time(request.to_time, "to_time") if request.HasField("to_time") else None,
    )


def from_run(run: Run) -> run_pb2.Run:
    return run_pb2.Run(
        id=run.id,
        dataset_id=run.dataset_id,
        dataset_name=run.dataset_name,
        kinds=from_kinds(run.kinds),
        trigger=run_pb2.Run.Trigger.Value(run.trigger.value),
        state=run_pb2.Run.State.Value(run.state.value),
        verdict=run_pb2.Run.Verdict.Value(run.verdict.value) if run.verdict else run_pb2.Run.VERDICT_UNSPECIFIED,
        checks=[from_check(check) for check in run.checks],
        drifts=[from_finding(finding) for finding in run.drifts],
        error=run_pb2.RunError(reason=run.error.reason, message=run.error.message) if run.error else None,
        create_time=timestamp(run.create_time),
        start_time=timestamp(run.start_time),
        end_time=timestamp(run.end_time),
        attempts=run.attempts,
        next_attempt_time=timestamp(run.next_attempt_time),
        check_counts=_from_counts(run.counts),
        triggered_by=run.triggered_by,
        cancel_requested=run.cancel_requested,
    )


def _from_counts(counts: CheckCounts) -> run_pb2.CheckCounts:
    return run_pb2.CheckCounts(
        total=counts.total,
        passed=counts.passed,
        warned=counts.warned,
        failed=counts.failed,
        errored=counts.errored,
        not_evaluated=counts.not_evaluated,
    )


def from_check(check: CheckResult) -> check_pb2.CheckResult:
    return check_pb2.CheckResult(
        id=check.id,
        name=check.name,
        definition=check.definition,
        column=check.column,
        verdict=check_pb2.CheckResult.Verdict.Value(check.verdict.value),
        measured_value=check.measured_value,
        threshold=check.threshold,
        failed_rows_count=check.failed_rows_count,
        message=check.message,
        query=check.query,
        table=check.table,
        line=min(check.line, _MAX_INT32),
        attributes=dict(check.attributes),
        has_samples=check.samples is not None,
    )


def from_finding(finding: DriftFinding) -> finding_pb2.DriftFinding:
    return finding_pb2.DriftFinding(
        id=finding.id,
        dataset_id=finding.dataset_id,
        kind=finding_pb2.DriftFinding.Kind.Value(finding.kind.value),
        change=finding.change,
        columns=finding.columns,
        message=finding.message,
        severity=finding_pb2.DriftFinding.Severity.Value(finding.severity.value),
        confidence=finding.confidence,
        baseline_value=finding.baseline_value,
        current_value=finding.current_value,
        since_time=timestamp(finding.since_time),
    )


def from_samples(samples: CheckSamples) -> check_pb2.FailedRows:
    rows = [check_pb2.FailedRow(values=[check_pb2.FailedValue(text=value) for value in row]) for row in samples.rows.rows]
    return check_pb2.FailedRows(check_id=samples.check_id, check_name=samples.check_name, columns=samples.rows.columns, rows=rows)


def from_schedule(schedule: Schedule) -> schedule_pb2.Schedule:
    return schedule_pb2.Schedule(
        dataset_id=schedule.dataset_id,
        cron=schedule.cron,
        timezone=schedule.timezone,
        paused=schedule.paused,
        kinds=from_kinds(schedule.kinds),
        next_run_time=timestamp(schedule.next_run_time),
        last_run_time=timestamp(schedule.last_run_time),
        update_time=timestamp(schedule.update_time),
        etag=schedule.etag,
    )


def from_validated(validated: ValidatedChecks) -> check_pb2.ValidateChecksResponse:
    return check_pb2.ValidateChecksResponse(
        valid=validated.valid,
        errors=[check_pb2.CheckError(line=problem.line, column=problem.column, message=problem.message) for problem in validated.problems],
        checks=[
            check_pb2.DeclaredCheck(
                id=check.id,
                name=check.name,
                definition=check.definition,
                column=check.column,
                table=check.table,
                line=check.line,
            )
            for check in validated.checks
        ],
        canonical_yaml=validated.canonical_yaml,
    )

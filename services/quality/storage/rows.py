"""Rows to domain objects and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.quality.domain.drift import DriftFinding, DriftKind, DriftSeverity
from services.quality.domain.run import CheckCounts, ClaimedRun, Run, RunError, RunKind, RunState, RunTrigger, RunVerdict
from services.quality.domain.scan import CheckResult, CheckVerdict, FailedRows, Measurement
from services.quality.domain.schedule import DueSchedule, FiredSchedule, Schedule

Row = Mapping[str, Any]

KEPT = FailedRows((), ())
"""Stands in a result read without its rows for "there are some"."""


def clean(text: str) -> str:
    """Answer text that Postgres takes: warehouses may hold U+0000 and lone surrogates, Postgres does not."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


def to_json(value: object) -> str:
    """Answer JSON that Postgres takes as jsonb."""
    return json.dumps(_cleaned(value), allow_nan=False)


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return value


def to_run(row: Row, checks: Sequence[CheckResult] = (), *, with_drifts: bool = False) -> Run:
    state = RunState(row["state"])
    waits = state is RunState.QUEUED and row["attempts"] > 0
    return Run(
        id=str(row["id"]),
        tenant_id=str(row["tenant_id"]),
        dataset_id=str(row["dataset_id"]),
        dataset_name=row["dataset_name"],
        kinds=tuple(RunKind(kind) for kind in row["kinds"]),
        trigger=RunTrigger(row["trigger"]),
        state=state,
        create_time=row["create_time"],
        verdict=RunVerdict(row["verdict"]) if row["verdict"] else None,
        error=RunError(row["error_reason"], row["error_message"]) if row["error_reason"] else None,
        start_time=row["start_time"],
        end_time=row["end_time"],
        attempts=row["attempts"],
        next_attempt_time=row["next_attempt_time"] if waits else None,
        counts=_counts(row),
        triggered_by=row["triggered_by"],
        cancel_requested=row["cancel_requested"],
        checks=tuple(checks),
        drifts=tuple(_to_finding(item) for item in json.loads(row["drifts"])) if with_drifts else (),
    )


def _counts(row: Row) -> CheckCounts:
    return CheckCounts(
        total=row["checks_total"],
        passed=row["checks_passed"],
        warned=row["checks_warned"],
        failed=row["checks_failed"],
        errored=row["checks_errored"],
        not_evaluated=row["checks_not_evaluated"],
    )


def to_claimed(row: Row, token: str) -> ClaimedRun:
    return ClaimedRun(
        id=str(row["id"]),
        tenant_id=str(row["tenant_id"]),
        dataset_id=str(row["dataset_id"]),
        dataset_name=row["dataset_name"],
        kinds=tuple(RunKind(kind) for kind in row["kinds"]),
        trigger=RunTrigger(row["trigger"]),
        variables=json.loads(row["variables"]),
        attempt=row["attempts"],
        failures=row["failures"],
        lease_token=token,
        create_time=row["create_time"],
        queued_seconds=row["queued_seconds"],
        tenant_cap=row["cap"],
    )


def to_check(row: Row) -> CheckResult:
    return CheckResult(
        id=row["check_id"],
        name=row["name"],
        definition=row["definition"],
        table=row["table_name"],
        column=row["column_name"],
        verdict=CheckVerdict(row["verdict"]),
        measured_value=row["measured_value"],
        threshold=row["threshold"],
        failed_rows_count=row["failed_rows_count"],
        message=row["message"],
        query=row["query"],
        line=row["line"],
        attributes=json.loads(row["attributes"]),
        samples=KEPT if row["has_samples"] else None,
    )


def from_check(position: int, check: CheckResult) -> dict[str, object]:
    return {
        "position": position,
        "check_id": check.id,
        "name": check.name,
        "definition": check.definition,
        "table_name": check.table,
        "column_name": check.column,
        "verdict": check.verdict.value,
        "measured_value": check.measured_value,
        "threshold": check.threshold,
        "failed_rows_count": check.failed_rows_count,
        "message": check.message,
        "query": check.query,
        "line": check.line,
        "attributes": dict(check.attributes),
        "samples": {"columns": check.samples.columns, "rows": check.samples.rows} if check.samples else None,
    }


def to_failed_rows(text: str) -> FailedRows:
    kept = json.loads(text)
    return FailedRows(tuple(kept["columns"]), tuple(tuple(row) for row in kept["rows"]))


def from_measurement(measurement: Measurement) -> dict[str, object]:
    return {
        "metric_identity": measurement.metric_identity,
        "data_time": measurement.data_time.isoformat(),
        "value": json.loads(measurement.value_json),
    }


def to_measurement(row: Row) -> Measurement:
    return Measurement(row["metric_identity"], row["value"], row["data_time"])


def from_finding(finding: DriftFinding) -> dict[str, object]:
    return {
        "id": finding.id,
        "dataset_id": finding.dataset_id,
        "kind": finding.kind.value,
        "change": finding.change,
        "columns": finding.columns,
        "message": finding.message,
        "severity": finding.severity.value,
        "confidence": finding.confidence,
        "baseline_value": finding.baseline_value,
        "current_value": finding.current_value,
        "since_time": finding.since_time.isoformat() if finding.since_time else None,
    }


def _to_finding(item: Row) -> DriftFinding:
    return DriftFinding(
        id=item["id"],
        dataset_id=item["dataset_id"],
        kind=DriftKind(item["kind"]),
        change=item["change"],
        columns=tuple(item["columns"]),
        message=item["message"],
        severity=DriftSeverity(item["severity"]),
        confidence=item["confidence"],
        baseline_value=item["baseline_value"],
        current_value=item["current_value"],
        since_time=datetime.fromisoformat(item["since_time"]) if item["since_time"] else None,
    )


def to_schedule(row: Row) -> Schedule:
    return Schedule(
        tenant_id=str(row["tenant_id"]),
        dataset_id=str(row["dataset_id"]),
        dataset_name=row["dataset_name"],
        cron=row["cron"],
        timezone=row["timezone"],
        paused=row["paused"],
        kinds=tuple(RunKind(kind) for kind in row["kinds"]),
        next_run_time=row["next_run_time"],
        last_run_time=row["last_run_time"],
        update_time=row["update_time"],
        revision=row["revision"],
    )


def to_due(row: Row) -> DueSchedule:
    return DueSchedule(
        tenant_id=str(row["tenant_id"]),
        dataset_id=str(row["dataset_id"]),
        dataset_name=row["dataset_name"],
        cron=row["cron"],
        timezone=row["timezone"],
        kinds=tuple(RunKind(kind) for kind in row["kinds"]),
        due_time=row["next_run_time"],
    )


def from_fired(fired: FiredSchedule) -> dict[str, object]:
    return {
        "tenant_id": fired.due.tenant_id,
        "dataset_id": fired.due.dataset_id,
        "run_id": fired.run_id,
        "kinds": [kind.value for kind in fired.kinds],
        "due_time": fired.due.due_time.isoformat(),
        "next_run_time": fired.next_run_time.isoformat() if fired.next_run_time else None,
    }

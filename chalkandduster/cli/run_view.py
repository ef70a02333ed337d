"""A run as people read it."""

from __future__ import annotations

from chalkandduster.cli.output import console, print_table, say
from chalkandduster.cli.text import moment, number, seconds
from chalkandduster.drift.v1.finding_pb2 import DriftFinding
from chalkandduster.quality.v1.check_pb2 import CheckResult
from chalkandduster.quality.v1.run_pb2 import Run

_CHECK_COLUMNS = ("verdict", "check", "column", "measured", "threshold", "failed rows", "message")
# Where seven columns would be a few letters wide each, the message goes below the check.
_NARROW_CHECK_COLUMNS = ("verdict", "check", "measured", "failed rows")
_NARROW = 130
_DRIFT_COLUMNS = ("severity", "change", "columns", "confidence", "message")
RUN_COLUMNS = ("run", "dataset", "state", "verdict", "checks", "created", "took")


def verdict_name(run: Run) -> str:
    """`PASS`, `WARN`, `FAIL` or `ERROR`; empty for a run that has none."""
    return Run.Verdict.Name(run.verdict) if run.verdict else ""


def run_row(run: Run) -> list[str]:
    """A run as one row of a list; the columns are `RUN_COLUMNS`."""
    counts = run.check_counts
    checks = f"{counts.passed} of {counts.total} passed" if counts.total else ""
    return [run.id, run.dataset_name, Run.State.Name(run.state), verdict_name(run), checks, moment(run.create_time), _took(run)]


def progress_line(run: Run) -> str:
    """Where a run is, in a few words."""
    line = Run.State.Name(run.state)
    if run.attempts > 1:
        line += f" (attempt {run.attempts})"
    if run.error.message and run.state == Run.QUEUED:
        line += f": {run.error.message}"
    return line + (f" at {moment(run.next_attempt_time)}" if run.HasField("next_attempt_time") else "")


def print_run(run: Run) -> None:
    """Prints the checks and findings of a run as tables, and its verdict as the last line."""
    if run.checks and console().width < _NARROW:
        print_table(_NARROW_CHECK_COLUMNS, map(_narrow_check_row, run.checks), "")
    elif run.checks:
        print_table(_CHECK_COLUMNS, map(_check_row, run.checks), "")
    if run.drifts:
        print_table(_DRIFT_COLUMNS, map(_drift_row, run.drifts), "")
    if run.error.message:
        say(f"{run.error.reason}: {run.error.message}" if run.error.reason else run.error.message)
    say(summary(run))


def summary(run: Run) -> str:
    """One line: the run, how it ended, and how many checks did not pass."""
    name = f"run {run.id} of {run.dataset_name}" if run.dataset_name else f"run {run.id}"
    if not run.verdict:
        return f"{name}: {Run.State.Name(run.state)}"
    counts = run.check_counts
    named = {"failed": counts.failed, "could not be run": counts.errored, "warned": counts.warned}
    named["had nothing to judge"] = counts.not_evaluated
    bad = ", ".join(f"{count} {what}" for what, count in named.items() if count) or "all passed"
    checks = f", {counts.total} {'check' if counts.total == 1 else 'checks'}: {bad}" if counts.total else ""
    return f"{name}: {verdict_name(run)}{checks}"


def _check_row(check: CheckResult) -> list[str]:
    verdict, measured, failed_rows = _figures(check)
    return [verdict, check.name, check.column, measured, check.threshold, failed_rows, check.message]


def _narrow_check_row(check: CheckResult) -> list[str]:
    verdict, measured, failed_rows = _figures(check)
    return [verdict, f"{check.name}\n  {check.message}" if check.message else check.name, measured, failed_rows]


def _figures(check: CheckResult) -> tuple[str, str, str]:
    measured = number(check.measured_value) if check.HasField("measured_value") else ""
    failed_rows = number(check.failed_rows_count) if check.HasField("failed_rows_count") else ""
    return CheckResult.Verdict.Name(check.verdict), measured, failed_rows


def _drift_row(finding: DriftFinding) -> list[str]:
    severity = DriftFinding.Severity.Name(finding.severity)
    return [severity, finding.change, ", ".join(finding.columns), f"{finding.confidence:.2f}", finding.message]


def _took(run: Run) -> str:
    if not run.HasField("start_time") or not run.HasField("end_time"):
        return ""
    return seconds((run.end_time.ToMicroseconds() - run.start_time.ToMicroseconds()) / 1e6)

"""Rows to domain objects and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from services.drift.domain.backfill import Backfill, BackfillSource, BackfillState, ClaimedBackfill
from services.drift.domain.baseline import Baseline, ColumnFigures, Figures, Mode, Origin
from services.drift.domain.profile import ColumnKind, decode_profile
from services.drift.domain.record import (
    Band,
    CategoriesPlot,
    ColumnMemo,
    Decision,
    DriftKind,
    Evaluation,
    Feedback,
    FeedbackVerdict,
    Finding,
    Found,
    HistogramPlot,
    KeptProfile,
    Plot,
    SeriesPlot,
    SeriesPoint,
    Severity,
    Standing,
    Watch,
)

Row = Mapping[str, Any]


def clean(text: str) -> str:
    """Text that Postgres takes: warehouses may hold U+0000 and lone surrogates, Postgres does not."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


def to_json(value: object) -> str:
    """JSON that Postgres takes as jsonb; numbers that JSON does not know become null."""
    return json.dumps(_cleaned(value), allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {clean(str(key)): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return value


def to_watch(row: Row) -> Watch:
    return Watch(
        dataset_id=str(row["dataset_id"]),
        layout=row["layout"],
        state=row["state"],
        before=row["before"],
        period=row["period"],
        baseline_version=row["baseline_version"],
        memos={name: ColumnMemo(tuple(memo["edges"]), memo["top"]) for name, memo in json.loads(row["memos"]).items()},
        exact=row["exact"],
        lag=row["lag"],
        decisions=tuple(_to_decision(one) for one in json.loads(row["decisions"])),
        revision=row["revision"],
    )


def _to_decision(kept: Mapping[str, Any]) -> Decision:
    return Decision(
        columns=frozenset(kept["columns"]),
        mode=Mode(kept["mode"]) if kept["mode"] else None,
        verdict=FeedbackVerdict(kept["verdict"]) if kept["verdict"] else None,
        kind=DriftKind(kept["kind"]) if kept["kind"] else None,
        change=kept["change"],
    )


def from_watch(tenant_id: str, watch: Watch) -> tuple[object, ...]:
    """The parameters of both ways to store it, without the revision."""
    memos = to_json({name: asdict(memo) for name, memo in watch.memos.items()})
    return (
        tenant_id,
        watch.dataset_id,
        clean(watch.layout),
        clean(watch.state),
        clean(watch.before),
        watch.period,
        watch.baseline_version,
        memos,
        watch.exact,
        watch.lag,
        to_json([{**asdict(decision), "columns": sorted(decision.columns)} for decision in watch.decisions]),
    )


def to_profile(row: Row) -> KeptProfile:
    return KeptProfile(
        id=str(row["id"]),
        dataset_id=str(row["dataset_id"]),
        layout=row["layout"],
        period=row["period"],
        time=row["partition_time"],
        profile=decode_profile(row["body"]),
        standing=Standing(row["standing"]),
        create_time=row["create_time"],
        band=Band(**json.loads(row["band"])) if row["band"] else None,
        backfilled=row["backfilled"],
        run_id=str(row["run_id"] or ""),
    )


def from_band(band: Band | None) -> str | None:
    return to_json(asdict(band)) if band else None


def from_found(found: Found) -> str:
    """What is kept of a finding beside its kind, severity and plots."""
    return to_json(
        {
            "change": found.change,
            "columns": found.columns,
            "message": found.message,
            "confidence": found.confidence,
            "baseline_value": found.baseline_value,
            "current_value": found.current_value,
            "since": found.since,
            "partition": found.partition,
        }
    )


def to_finding(row: Row) -> Finding:
    content = json.loads(row["content"])
    found = Found(
        kind=DriftKind(row["kind"]),
        change=content["change"],
        columns=tuple(content["columns"]),
        message=content["message"],
        severity=Severity(row["severity"]),
        confidence=content["confidence"],
        baseline_value=content["baseline_value"],
        current_value=content["current_value"],
        since=datetime.fromisoformat(content["since"]) if content["since"] else None,
        plots=tuple(_to_plot(plot) for plot in json.loads(row["plots"])),
        partition=content["partition"],
    )
    return Finding(
        id=str(row["id"]),
        dataset_id=str(row["dataset_id"]),
        found=found,
        partition_time=row["partition_time"],
        create_time=row["create_time"],
        profile_id=str(row["profile_id"] or ""),
        run_id=str(row["run_id"] or ""),
        baseline_version=row["baseline_version"],
        feedback=_to_feedback(json.loads(row["feedback"])) if row["feedback"] else None,
    )


def from_feedback(feedback: Feedback) -> str:
    return to_json(asdict(feedback))


def _to_feedback(kept: Mapping[str, Any]) -> Feedback:
    return Feedback(FeedbackVerdict(kept["verdict"]), kept["comment"], kept["author"], datetime.fromisoformat(kept["create_time"]))


def to_said(row: Row) -> tuple[Finding, Feedback]:
    """A finding, and one thing that was said about it."""
    return to_finding(row), Feedback(FeedbackVerdict(row["verdict"]), row["comment"], row["author"], row["said_time"])


def from_plots(plots: Sequence[Plot]) -> str:
    return to_json([{"kind": type(plot).__name__, **asdict(plot)} for plot in plots])


def _to_plot(kept: Mapping[str, Any]) -> Plot:
    if kept["kind"] == SeriesPlot.__name__:
        points = (SeriesPoint(**{**point, "time": datetime.fromisoformat(point["time"])}) for point in kept["points"])
        return SeriesPlot(kept["column"], tuple(points))
    if kept["kind"] == HistogramPlot.__name__:
        return HistogramPlot(kept["column"], tuple(kept["edges"]), tuple(kept["baseline_shares"]), tuple(kept["current_shares"]))
    return CategoriesPlot(kept["column"], tuple(kept["values"]), tuple(kept["baseline_shares"]), tuple(kept["current_shares"]))


def to_evaluation(row: Row, findings: Sequence[Finding]) -> Evaluation:
    """Findings in the order in which the row names them."""
    by_id = {finding.id: finding for finding in findings}
    return Evaluation(
        run_id=str(row["run_id"]),
        dataset_id=str(row["dataset_id"]),
        findings=tuple(by_id[str(one)] for one in row["finding_ids"] if str(one) in by_id),
        partitions_judged=row["partitions_judged"],
        complete=row["complete"],
        create_time=row["create_time"],
    )


def to_baseline(row: Row) -> Baseline:
    return Baseline(
        dataset_id=str(row["dataset_id"]),
        version=row["version"],
        origin=Origin(row["origin"]),
        parent_version=row["parent_version"],
        create_time=row["create_time"],
        window_start=row["window_start"],
        window_end=row["window_end"],
        profile_ids=tuple(str(one) for one in row["profile_ids"]),
        columns=tuple(row["columns"]),
        mode=Mode(row["mode"]) if row["mode"] else None,
        author=row["author"],
        reason=row["reason"],
        expire_time=row["expire_time"],
        figures=_to_figures(json.loads(row["figures"])),
        active=bool(row["active"]),
    )


def _to_figures(kept: Mapping[str, Any]) -> Figures:
    columns = kept.get("columns", ())
    return Figures(kept.get("rows"), tuple(_to_column_figures(column) for column in columns))


def _to_column_figures(kept: Mapping[str, Any]) -> ColumnFigures:
    return ColumnFigures(**{**kept, "kind": ColumnKind(kept["kind"]), "top": tuple((value, share) for value, share in kept["top"])})


def from_baseline(tenant_id: str, baseline: Baseline) -> tuple[object, ...]:
    """The parameters of the statement that keeps it."""
    return (
        tenant_id,
        baseline.dataset_id,
        baseline.version,
        baseline.origin,
        baseline.parent_version,
        baseline.window_start,
        baseline.window_end,
        list(baseline.profile_ids),
        [clean(column) for column in baseline.columns],
        baseline.mode,
        baseline.author,
        clean(baseline.reason),
        baseline.create_time,
        baseline.expire_time,
        to_json(asdict(baseline.figures)),
    )


def to_backfill(row: Row) -> Backfill:
    return Backfill(
        id=str(row["id"]),
        dataset_id=str(row["dataset_id"]),
        state=BackfillState(row["state"]),
        source=BackfillSource(row["source"]),
        max_partitions=row["max_partitions"],
        create_time=row["create_time"],
        requested_by=row["requested_by"],
        from_time=row["from_time"],
        to_time=row["to_time"],
        partitions_total=row["partitions_total"],
        partitions_done=row["partitions_done"],
        cancel_requested=row["cancel_requested"],
        error_reason=row["error_reason"],
        error_message=row["error_message"],
        start_time=row["start_time"],
        end_time=row["end_time"],
    )


def to_claimed(row: Row, token: str) -> ClaimedBackfill:
    return ClaimedBackfill(
        id=str(row["id"]),
        tenant_id=str(row["tenant_id"]),
        dataset_id=str(row["dataset_id"]),
        source=BackfillSource(row["source"]),
        max_partitions=row["max_partitions"],
        requested_by=row["requested_by"],
        lease_token=token,
    )

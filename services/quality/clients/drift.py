"""The drift service: findings of a run, and checks that only a history can answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from chalkandduster.drift.v1 import evaluation_pb2, finding_pb2
from chalkandduster.drift.v1.drift_service_pb2_grpc import DriftServiceStub
from services.common.client import ServiceClient, remote_error
from services.common.errors import DependencyUnavailable
from services.quality.domain.drift import (
    DistributionQuestion,
    DriftAnswer,
    DriftAnswers,
    DriftFailed,
    DriftFinding,
    DriftKind,
    DriftQuestion,
    DriftSeverity,
)

# Reasons that the owner of the dataset can act on. Everything else is the platform's own affair.
_TOLD = frozenset(
    {
        "DATASET_NOT_FOUND",
        "TENANT_SUSPENDED",
        "INVALID_DRIFT_SETTINGS",
        "TABLE_NOT_FOUND",
        "EGRESS_DENIED",
        "WAREHOUSE_REFUSED_LOGIN",
        "WAREHOUSE_REFUSED_STATEMENT",
        "WAREHOUSE_UNREACHABLE",
        "SCAN_DEADLINE_EXCEEDED",
    }
)
_RETRIED = frozenset({"WAREHOUSE_UNREACHABLE"})
_COMPARISONS = {"<": "LESS", "<=": "LESS_OR_EQUAL", ">": "GREATER", ">=": "GREATER_OR_EQUAL", "": "COMPARISON_UNSPECIFIED"}
_Distribution = evaluation_pb2.DistributionCheck


class DriftClient:
    """`app.ports.DriftEvaluator`. A repeated call of a run answers what the first one found."""

    def __init__(self, client: ServiceClient, timeout_seconds: float) -> None:
        self._client = client
        self._stub = DriftServiceStub(client.channel)
        self._timeout_seconds = timeout_seconds

    async def evaluate(self, tenant_id: str, dataset_id: str, run_id: str) -> Sequence[DriftFinding]:
        answer = await self._call(tenant_id, evaluation_pb2.EvaluateDatasetRequest(dataset_id=dataset_id, run_id=run_id))
        return [_finding(finding) for finding in answer.findings]

    async def answer(self, tenant_id: str, dataset_id: str, run_id: str, questions: Sequence[DriftQuestion]) -> DriftAnswers:
        checks = [_check(question) for question in questions]
        answer = await self._call(tenant_id, evaluation_pb2.EvaluateDatasetRequest(dataset_id=dataset_id, run_id=run_id, checks=checks))
        return {result.id: _answer(result) for result in answer.checks}

    async def _call(self, tenant_id: str, request: evaluation_pb2.EvaluateDatasetRequest) -> evaluation_pb2.EvaluateDatasetResponse:
        try:
            return await self._client.call(self._stub.EvaluateDataset, request, tenant_id=tenant_id, timeout_seconds=self._timeout_seconds)
        except DependencyUnavailable as away:
            if isinstance(away.__cause__, grpc.aio.AioRpcError):
                remote = remote_error(away.__cause__)
                if remote.reason in _TOLD:
                    raise DriftFailed(remote.reason, remote.message, retry=remote.reason in _RETRIED) from away
            raise


def _finding(finding: finding_pb2.DriftFinding) -> DriftFinding:
    return DriftFinding(
        id=finding.id,
        dataset_id=finding.dataset_id,
        kind=DriftKind(finding_pb2.DriftFinding.Kind.Name(finding.kind)),
        change=finding.change,
        columns=tuple(finding.columns),
        message=finding.message,
        severity=DriftSeverity(finding_pb2.DriftFinding.Severity.Name(finding.severity)),
        confidence=finding.confidence,
        baseline_value=finding.baseline_value if finding.HasField("baseline_value") else None,
        current_value=finding.current_value if finding.HasField("current_value") else None,
        since_time=_time(finding.since_time) if finding.HasField("since_time") else None,
    )


def _time(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(UTC)


def _check(question: DriftQuestion) -> evaluation_pb2.DriftCheck:
    asked = question.asked
    if isinstance(asked, DistributionQuestion):
        distribution = _Distribution(
            column=asked.column,
            method=_Distribution.Method.Value(asked.method.upper() or "METHOD_UNSPECIFIED"),
            comparison=_Distribution.Comparison.Value(_COMPARISONS[asked.comparison]),
            threshold=asked.threshold,
        )
        return evaluation_pb2.DriftCheck(id=question.id, distribution=distribution)
    return evaluation_pb2.DriftCheck(id=question.id, anomaly=evaluation_pb2.AnomalyCheck(metric=asked.metric, column=asked.column))


def _answer(result: evaluation_pb2.DriftCheckResult) -> DriftAnswer:
    verdict = evaluation_pb2.DriftCheckResult.Verdict.Name(result.verdict)
    value = result.measured_value if result.HasField("measured_value") else None
    return DriftAnswer(verdict, value, result.threshold, result.message)

"""Drift over gRPC: decode, use case, encode."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import grpc

from chalkandduster.drift.v1 import backfill_pb2, baseline_pb2, evaluation_pb2, finding_pb2, profile_pb2
from chalkandduster.drift.v1.drift_service_pb2_grpc import DriftServiceServicer
from services.common.auth.principal import PrincipalKind
from services.common.context import current_call
from services.common.paging import PageTokens, page_size
from services.drift.app.accept_baseline import AcceptBaseline, AcceptCommand
from services.drift.app.actor import Actor
from services.drift.app.answer_checks import AnswerChecks
from services.drift.app.cancel_backfill import CancelBackfill
from services.drift.app.diff_baselines import DiffBaselines
from services.drift.app.evaluate_dataset import EvaluateCommand, EvaluateDataset
from services.drift.app.get_backfill import GetBackfill
from services.drift.app.get_baseline import GetBaseline
from services.drift.app.get_drift import GetDrift
from services.drift.app.get_profile import GetProfile
from services.drift.app.judge_drift import JudgeCommand, JudgeDrift
from services.drift.app.list_baselines import ListBaselines
from services.drift.app.list_drifts import ListDrifts
from services.drift.app.list_profiles import ListProfiles
from services.drift.app.rollback_baseline import RollbackBaseline, RollbackCommand
from services.drift.app.start_backfill import StartBackfill, StartCommand
from services.drift.app.validate_settings import ValidateSettings
from services.drift.domain.record import Key
from services.drift.rpc import codec

_Context = grpc.aio.ServicerContext[Any, Any]
_MOST_WITH_COLUMNS = 100
"""Profiles with columns in one answer: 40 kB each keep it below the 16 MiB that clients take."""
_MARGIN_SECONDS = 2.0
"""Left over of the caller's deadline for storing what was found."""


@dataclass(frozen=True, slots=True)
class UseCases:
    """All that callers can ask of drift."""

    evaluate_dataset: EvaluateDataset
    answer_checks: AnswerChecks
    list_drifts: ListDrifts
    get_drift: GetDrift
    judge_drift: JudgeDrift
    list_profiles: ListProfiles
    get_profile: GetProfile
    get_baseline: GetBaseline
    accept_baseline: AcceptBaseline
    rollback_baseline: RollbackBaseline
    list_baselines: ListBaselines
    diff_baselines: DiffBaselines
    start_backfill: StartBackfill
    get_backfill: GetBackfill
    cancel_backfill: CancelBackfill
    validate_settings: ValidateSettings


class DriftServicer(DriftServiceServicer):
    """The RPCs of drift_service.proto."""

    def __init__(self, use_cases: UseCases, evaluation_seconds: float) -> None:
        """`evaluation_seconds` is how long an evaluation may take, whatever the caller's deadline."""
        self._do = use_cases
        self._evaluation_seconds = evaluation_seconds

    async def EvaluateDataset(  # noqa: N802
        self, request: evaluation_pb2.EvaluateDatasetRequest, context: _Context
    ) -> evaluation_pb2.EvaluateDatasetResponse:
        remaining = current_call().remaining_seconds()
        limit = self._evaluation_seconds if remaining is None else min(self._evaluation_seconds, remaining - _MARGIN_SECONDS)
        command = EvaluateCommand(_tenant(), _canonical(request.dataset_id), _canonical(request.run_id), limit)
        evaluation = await self._do.evaluate_dataset.execute(command)
        checks = [codec.to_check(check) for check in request.checks]
        return codec.from_evaluation(evaluation, await self._do.answer_checks.execute(_tenant(), command.dataset_id, checks))

    async def ListDrifts(self, request: finding_pb2.ListDriftsRequest, context: _Context) -> finding_pb2.ListDriftsResponse:  # noqa: N802
        wanted = codec.to_filter(request)
        tokens = PageTokens("drifts", _tenant(), asdict(wanted))
        after = _key(tokens.decode(request.page_token, datetime, UUID))
        page = await self._do.list_drifts.execute(_tenant(), wanted, page_size(request.page_size), after)
        return finding_pb2.ListDriftsResponse(
            drifts=[codec.from_finding(finding, with_plots=False) for finding in page.findings],
            next_page_token=_token(tokens, page.next_key),
        )

    async def GetDrift(self, request: finding_pb2.GetDriftRequest, context: _Context) -> finding_pb2.DriftFinding:  # noqa: N802
        return codec.from_finding(await self._do.get_drift.execute(_tenant(), _canonical(request.id)))

    async def JudgeDrift(self, request: finding_pb2.JudgeDriftRequest, context: _Context) -> finding_pb2.DriftFinding:  # noqa: N802
        command = JudgeCommand(_canonical(request.id), codec.to_verdict(request.verdict), request.comment, _actor())
        return codec.from_finding(await self._do.judge_drift.execute(command))

    async def ListProfiles(self, request: profile_pb2.ListProfilesRequest, context: _Context) -> profile_pb2.ListProfilesResponse:  # noqa: N802
        dataset_id, size = _canonical(request.dataset_id), page_size(request.page_size)
        from_time = codec.to_time(request.from_time, "from_time") if request.HasField("from_time") else None
        to_time = codec.to_time(request.to_time, "to_time") if request.HasField("to_time") else None
        filters = {"dataset_id": dataset_id, "from": from_time, "to": to_time, "with_columns": request.with_columns}
        tokens = PageTokens("profiles", _tenant(), filters)
        after = _key(tokens.decode(request.page_token, datetime, UUID))
        size = min(size, _MOST_WITH_COLUMNS) if request.with_columns else size
        page = await self._do.list_profiles.execute(_tenant(), dataset_id, (from_time, to_time), size, after)
        return profile_pb2.ListProfilesResponse(
            profiles=[codec.from_profile(kept, with_columns=request.with_columns) for kept in page.profiles],
            next_page_token=_token(tokens, page.next_key),
        )

    async def GetProfile(self, request: profile_pb2.GetProfileRequest, context: _Context) -> profile_pb2.Profile:  # noqa: N802
        kept = await self._do.get_profile.execute(_tenant(), _canonical(request.dataset_id), _canonical(request.profile_id))
        return codec.from_profile(kept, with_columns=True)

    async def GetBaseline(self, request: baseline_pb2.GetBaselineRequest, context: _Context) -> baseline_pb2.Baseline:  # noqa: N802
        return codec.from_baseline(await self._do.get_baseline.execute(_tenant(), _canonical(request.dataset_id), request.version))

    async def AcceptBaseline(self, request: baseline_pb2.AcceptBaselineRequest, context: _Context) -> baseline_pb2.Baseline:  # noqa: N802
        command = AcceptCommand(
            dataset_id=_canonical(request.dataset_id),
            actor=_actor(),
            columns=tuple(request.columns),
            mode=codec.to_mode(request.mode),
            reason=request.reason,
            expire_time=codec.to_time(request.expire_time, "expire_time") if request.HasField("expire_time") else None,
        )
        return codec.from_baseline(await self._do.accept_baseline.execute(command))

    async def RollbackBaseline(self, request: baseline_pb2.RollbackBaselineRequest, context: _Context) -> baseline_pb2.Baseline:  # noqa: N802
        command = RollbackCommand(_canonical(request.dataset_id), _actor(), request.version, request.reason)
        return codec.from_baseline(await self._do.rollback_baseline.execute(command))

    async def ListBaselines(  # noqa: N802
        self, request: baseline_pb2.ListBaselinesRequest, context: _Context
    ) -> baseline_pb2.ListBaselinesResponse:
        dataset_id = _canonical(request.dataset_id)
        tokens = PageTokens("baselines", _tenant(), {"dataset_id": dataset_id})
        key = tokens.decode(request.page_token, int)
        found, next_version = await self._do.list_baselines.execute(
            _tenant(), dataset_id, page_size(request.page_size), key[0] if key else None
        )
        return baseline_pb2.ListBaselinesResponse(
            baselines=[codec.from_baseline(baseline, whole=False) for baseline in found],
            next_page_token=tokens.encode(next_version) if next_version else "",
        )

    async def DiffBaselines(  # noqa: N802
        self, request: baseline_pb2.DiffBaselinesRequest, context: _Context
    ) -> baseline_pb2.DiffBaselinesResponse:
        dataset_id = _canonical(request.dataset_id)
        return codec.from_diff(await self._do.diff_baselines.execute(_tenant(), dataset_id, request.from_version, request.to_version))

    async def StartBackfill(self, request: backfill_pb2.StartBackfillRequest, context: _Context) -> backfill_pb2.Backfill:  # noqa: N802
        command = StartCommand(_canonical(request.dataset_id), _actor(), request.max_partitions)
        return codec.from_backfill(await self._do.start_backfill.execute(command))

    async def GetBackfill(self, request: backfill_pb2.GetBackfillRequest, context: _Context) -> backfill_pb2.Backfill:  # noqa: N802
        return codec.from_backfill(await self._do.get_backfill.execute(_tenant(), _canonical(request.dataset_id)))

    async def CancelBackfill(self, request: backfill_pb2.CancelBackfillRequest, context: _Context) -> backfill_pb2.Backfill:  # noqa: N802
        return codec.from_backfill(await self._do.cancel_backfill.execute(_canonical(request.dataset_id), _actor()))

    async def ValidateDriftSettings(  # noqa: N802
        self, request: evaluation_pb2.ValidateDriftSettingsRequest, context: _Context
    ) -> evaluation_pb2.ValidateDriftSettingsResponse:
        return codec.from_validated(self._do.validate_settings.execute(request.drift_yaml))


def _canonical(identifier: str) -> str:
    """The one spelling that ids are compared in; the rules of the proto made sure that it is a UUID."""
    return str(UUID(identifier))


def _key(decoded: tuple[Any, ...] | None) -> Key | None:
    return Key(decoded[0], str(decoded[1])) if decoded else None


def _token(tokens: PageTokens, key: Key | None) -> str:
    return tokens.encode(key.time, UUID(key.id)) if key else ""


def _tenant() -> str:
    tenant_id = current_call().tenant_id
    if tenant_id is None:
        raise LookupError("the permission interceptor lets no call of a tenant through without one")
    return tenant_id


def _actor() -> Actor:
    call = current_call()
    return Actor(
        tenant_id=_tenant(),
        subject=call.principal.subject if call.principal else "",
        is_person=call.principal is not None and call.principal.kind is PrincipalKind.USER,
        action=call.action,
        remote_address=call.remote_address,
        request_id=call.request_id,
    )

"""Quality over gRPC: decode, use case, encode."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import grpc
from google.protobuf.empty_pb2 import Empty

from chalkandduster.quality.v1 import check_pb2, run_pb2, schedule_pb2
from chalkandduster.quality.v1.quality_service_pb2_grpc import QualityServiceServicer
from services.common.auth.principal import PrincipalKind
from services.common.context import CallContext, current_call
from services.common.errors import DomainError
from services.common.paging import PageTokens, page_size
from services.common.rpc_errors import to_status
from services.quality.app.actor import Actor
from services.quality.app.cancel_run import CancelRun
from services.quality.app.delete_schedule import DeleteSchedule
from services.quality.app.get_dataset_usage import GetDatasetUsage
from services.quality.app.get_run import GetRun
from services.quality.app.get_schedule import GetSchedule
from services.quality.app.list_failed_rows import ListFailedRows
from services.quality.app.list_runs import ListRuns
from services.quality.app.preview_checks import PreviewChecks, PreviewCommand
from services.quality.app.set_schedule import ScheduleCommand, SetSchedule
from services.quality.app.trigger_dataset import TriggerCommand, TriggerDataset
from services.quality.app.validate_checks import ValidateChecks
from services.quality.app.watch_run import WatchRun
from services.quality.domain.run import RunKey
from services.quality.rpc import codec
from services.quality.rpc.errors import CATALOG

_Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class UseCases:
    """All that callers can ask of quality."""

    trigger_dataset: TriggerDataset
    get_run: GetRun
    list_runs: ListRuns
    cancel_run: CancelRun
    watch_run: WatchRun
    list_failed_rows: ListFailedRows
    get_schedule: GetSchedule
    set_schedule: SetSchedule
    delete_schedule: DeleteSchedule
    validate_checks: ValidateChecks
    preview_checks: PreviewChecks
    get_dataset_usage: GetDatasetUsage


class QualityServicer(QualityServiceServicer):
    """The RPCs of quality_service.proto."""

    def __init__(self, use_cases: UseCases) -> None:
        self._do = use_cases

    async def TriggerDataset(self, request: run_pb2.TriggerDatasetRequest, context: _Context) -> run_pb2.Run:  # noqa: N802
        command = TriggerCommand(
            dataset_id=_canonical(request.dataset_id),
            actor=_actor(),
            kinds=codec.to_kinds(request.kinds),
            request_id=request.request_id,
            variables=dict(request.variables),
        )
        return codec.from_run(await self._do.trigger_dataset.execute(command))

    async def GetRun(self, request: run_pb2.GetRunRequest, context: _Context) -> run_pb2.Run:  # noqa: N802
        return codec.from_run(await self._do.get_run.execute(_tenant(), _canonical(request.id)))

    async def ListRuns(self, request: run_pb2.ListRunsRequest, context: _Context) -> run_pb2.ListRunsResponse:  # noqa: N802
        wanted = codec.to_filter(request)
        tokens = PageTokens("runs", _tenant(), asdict(wanted))
        key = tokens.decode(request.page_token, datetime, UUID)
        page = await self._do.list_runs.execute(
            _tenant(), wanted, page_size(request.page_size), RunKey(key[0], str(key[1])) if key else None
        )
        token = tokens.encode(page.next_key.create_time, UUID(page.next_key.id)) if page.next_key else ""
        return run_pb2.ListRunsResponse(runs=[codec.from_run(run) for run in page.runs], next_page_token=token)

    async def CancelRun(self, request: run_pb2.CancelRunRequest, context: _Context) -> run_pb2.Run:  # noqa: N802
        return codec.from_run(await self._do.cancel_run.execute(_canonical(request.id), _actor()))

    async def WatchRun(  # noqa: N802
        self, request: run_pb2.WatchRunRequest, context: _Context
    ) -> AsyncIterator[run_pb2.WatchRunResponse]:
        said_something = False
        try:
            async for run in self._do.watch_run.execute(_tenant(), _canonical(request.id)):
                yield run_pb2.WatchRunResponse(run=codec.from_run(run), done=run.state.ended)
                said_something = True
        except DomainError as error:
            # Before the first message the status itself tells it, over REST as the HTTP status.
            if not said_something:
                raise
            yield run_pb2.WatchRunResponse(error=to_status(error, CATALOG, request_id=current_call().request_id))

    async def ListFailedRows(  # noqa: N802
        self, request: run_pb2.ListFailedRowsRequest, context: _Context
    ) -> run_pb2.ListFailedRowsResponse:
        kept = await self._do.list_failed_rows.execute(_tenant(), _canonical(request.run_id))
        return run_pb2.ListFailedRowsResponse(failed_rows=[codec.from_samples(samples) for samples in kept])

    async def GetSchedule(self, request: schedule_pb2.GetScheduleRequest, context: _Context) -> schedule_pb2.Schedule:  # noqa: N802
        return codec.from_schedule(await self._do.get_schedule.execute(_tenant(), _canonical(request.dataset_id)))

    async def SetSchedule(self, request: schedule_pb2.SetScheduleRequest, context: _Context) -> schedule_pb2.Schedule:  # noqa: N802
        wanted = request.schedule
        command = ScheduleCommand(
            dataset_id=_canonical(request.dataset_id),
            actor=_actor(),
            cron=wanted.cron,
            timezone=wanted.timezone,
            paused=wanted.paused,
            kinds=codec.to_kinds(wanted.kinds),
            etag=wanted.etag,
        )
        return codec.from_schedule(await self._do.set_schedule.execute(command))

    async def DeleteSchedule(self, request: schedule_pb2.DeleteScheduleRequest, context: _Context) -> Empty:  # noqa: N802
        await self._do.delete_schedule.execute(_canonical(request.dataset_id), request.etag, _actor())
        return Empty()

    async def ValidateChecks(  # noqa: N802
        self, request: check_pb2.ValidateChecksRequest, context: _Context
    ) -> check_pb2.ValidateChecksResponse:
        call = current_call()
        caller = call.tenant_id or _subject(call)
        return codec.from_validated(await self._do.validate_checks.execute(caller, request.checks_yaml))

    async def PreviewChecks(self, request: check_pb2.PreviewChecksRequest, context: _Context) -> run_pb2.Run:  # noqa: N802
        command = PreviewCommand(
            actor=_actor(),
            connection_id=_canonical(request.connection_id),
            checks_yaml=request.checks_yaml,
            variables=dict(request.variables),
        )
        return codec.from_run(await self._do.preview_checks.execute(command))

    async def GetDatasetUsage(  # noqa: N802
        self, request: run_pb2.GetDatasetUsageRequest, context: _Context
    ) -> run_pb2.GetDatasetUsageResponse:
        usage = await self._do.get_dataset_usage.execute(_tenant(), _canonical(request.dataset_id))
        return run_pb2.GetDatasetUsageResponse(has_schedule=usage.has_schedule, active_run_ids=usage.active_run_ids)


def _canonical(identifier: str) -> str:
    """The one spelling that ids are compared in; the rules of the proto made sure that it is a UUID."""
    return str(UUID(identifier))


def _tenant() -> str:
    tenant_id = current_call().tenant_id
    if tenant_id is None:
        raise LookupError("the permission interceptor lets no call of a tenant through without one")
    return tenant_id


def _subject(call: CallContext) -> str:
    return call.principal.subject if call.principal else ""


def _actor() -> Actor:
    call = current_call()
    return Actor(
        tenant_id=_tenant(),
        subject=_subject(call),
        is_person=call.principal is not None and call.principal.kind is PrincipalKind.USER,
        action=call.action,
        remote_address=call.remote_address,
        request_id=call.request_id,
    )

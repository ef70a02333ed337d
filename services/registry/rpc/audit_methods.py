"""The RPCs about the audit trail."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from chalkandduster.registry.v1 import audit_pb2
from services.registry.app.use_cases import UseCases
from services.registry.rpc.calls import Context, caller
from services.registry.rpc.codec.audit_events import decode_audit_filter, decode_recorded_event, encode_audit_event
from services.registry.rpc.pages import Pages


class AuditMethods:
    """Decode, use case, encode."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases

    async def ListAuditEvents(  # noqa: N802
        self, request: audit_pb2.ListAuditEventsRequest, context: Context
    ) -> audit_pb2.ListAuditEventsResponse:
        who, wanted = caller(), decode_audit_filter(request)
        filters = {"actor": wanted.actor, "action": wanted.action, "resource_id": wanted.resource_id, "outcome": wanted.outcome}
        times = {"from_time": wanted.from_time, "to_time": wanted.to_time}
        pages = Pages("audit_events", who, {**filters, **times}, datetime, UUID)
        page = await self._use_cases.list_audit_events.execute(who, wanted, pages.wanted(request))
        return audit_pb2.ListAuditEventsResponse(
            audit_events=[encode_audit_event(event) for event in page.items], next_page_token=pages.next_token(page.last_key)
        )

    async def RecordAuditEvents(  # noqa: N802
        self, request: audit_pb2.RecordAuditEventsRequest, context: Context
    ) -> audit_pb2.RecordAuditEventsResponse:
        events = [decode_recorded_event(event, index) for index, event in enumerate(request.events)]
        await self._use_cases.record_audit_events.execute(events)
        return audit_pb2.RecordAuditEventsResponse()

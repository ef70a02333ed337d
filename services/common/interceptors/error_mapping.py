"""Turns what a handler raises into a status, so that nothing from inside reaches a caller."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from google.rpc import status_pb2

from services.common.audit import AuditEvent, AuditSink, Outcome
from services.common.context import current_call
from services.common.errors import PermissionDenied, Unauthenticated
from services.common.interceptors.base import CallInterceptor, Rpc
from services.common.interceptors.request_id import REQUEST_ID_HEADER
from services.common.rpc_errors import ErrorCatalog, to_status

_STATUS_TRAILER = "grpc-status-details-bin"
_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}
# Anybody can be refused as often as the rate limit lets them; the audit trail keeps the first of each second, the log all.
_ANONYMOUS_EVENTS_PER_SECOND = 20


class ErrorMappingInterceptor(CallInterceptor):
    """Answers the catalogue's status for an error, and reports refused calls to the audit trail.

    What gRPC raises itself (an abort, the end of a cancelled call) goes through untouched.
    """

    def __init__(self, catalog: ErrorCatalog, audit: AuditSink) -> None:
        self._catalog = catalog
        self._audit = audit
        self._window = (0, 0)

    @asynccontextmanager
    async def around(self, rpc: Rpc) -> AsyncIterator[None]:
        """Maps at the first error; a stream that has begun ends with the status."""
        try:
            yield
        except (grpc.aio.AbortError, asyncio.CancelledError, GeneratorExit):
            raise
        except Exception as error:
            if isinstance(error, PermissionDenied | Unauthenticated):
                await self._report(error)
            await _abort(rpc, to_status(error, self._catalog, request_id=current_call().request_id))

    async def _report(self, error: PermissionDenied | Unauthenticated) -> None:
        call = current_call()
        if call.principal is None and not self._take_anonymous():
            return
        await self._audit.denied(
            AuditEvent(
                action=call.action,
                actor=call.principal.subject if call.principal else "anonymous",
                outcome=Outcome.DENIED,
                # The caller's own tenant: what it asked for in another's is none of the other's trail to fill.
                tenant_id=call.principal.tenant_id if call.principal else None,
                remote_address=call.remote_address,
                request_id=call.request_id,
            )
        )

    def _take_anonymous(self) -> bool:
        second = int(time.monotonic())
        count = self._window[1] + 1 if self._window[0] == second else 1
        self._window = (second, count)
        return count <= _ANONYMOUS_EVENTS_PER_SECOND


async def _abort(rpc: Rpc, status: status_pb2.Status) -> None:
    # grpc.aio has no abort_with_status; this is what it would send.
    trailers = ((_STATUS_TRAILER, status.SerializeToString()), (REQUEST_ID_HEADER, current_call().request_id))
    await rpc.context.abort(_BY_NUMBER[status.code], status.message, trailers)

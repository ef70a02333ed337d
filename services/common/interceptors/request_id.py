"""Gives the call its ids and its context."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry import trace

from services.common.context import CallContext, enter_call
from services.common.ids import new_id
from services.common.interceptors.base import CallInterceptor, Rpc

REQUEST_ID_HEADER = "x-request-id"
TRACE_HEADER = "traceparent"

# A caller's own id goes into logs and answers: short, and nothing but what an id is made of.
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACE_PARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class RequestIdInterceptor(CallInterceptor):
    """Takes `x-request-id` and `traceparent` from the caller, or makes them, and answers the request id as a trailer."""

    @asynccontextmanager
    async def around(self, rpc: Rpc) -> AsyncIterator[None]:
        """Makes the call the current one."""
        call = CallContext(
            method=rpc.method,
            request_id=_request_id(rpc),
            trace_id=_trace_id(rpc),
            remote_address=_remote_address(rpc),
            deadline=_deadline(rpc),
        )
        enter_call(call)
        rpc.context.set_trailing_metadata(((REQUEST_ID_HEADER, call.request_id),))
        yield


def _request_id(rpc: Rpc) -> str:
    given = rpc.metadata(REQUEST_ID_HEADER)
    return given[-1] if given and _REQUEST_ID.fullmatch(given[-1]) else new_id()


def _trace_id(rpc: Rpc) -> str:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:  # traces are on, and the log lines belong to this one
        return trace.format_trace_id(span.trace_id)
    match = _TRACE_PARENT.fullmatch((rpc.metadata(TRACE_HEADER) or [""])[-1])
    return match[1] if match else secrets.token_hex(16)


def _remote_address(rpc: Rpc) -> str:
    # The last entry is what the gateway itself saw; those before it are what the caller claims.
    forwarded = rpc.metadata("x-forwarded-for")
    if forwarded:
        return forwarded[-1].rpartition(",")[2].strip()[:100]
    return str(rpc.context.peer())[:100]


def _deadline(rpc: Rpc) -> float | None:
    remaining: float | None = rpc.context.time_remaining()
    return None if remaining is None else time.monotonic() + remaining

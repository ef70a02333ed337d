"""One line a call in the log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from services.common.context import current_call
from services.common.interceptors.base import CallInterceptor, Rpc
from services.common.interceptors.infrastructure import is_infrastructure

_log = logging.getLogger(__name__)

_ERROR = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS})
_WARNING = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED})
_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}


class AccessLogInterceptor(CallInterceptor):
    """Says who called what, how it ended and how long it took; never what was in it."""

    @asynccontextmanager
    async def around(self, rpc: Rpc) -> AsyncIterator[None]:
        """Logs at the end: our faults as errors, what a repetition may cure as warnings, health checks at debug level."""
        started = time.perf_counter()
        code = grpc.StatusCode.UNKNOWN
        try:
            yield
            code = final_code(rpc, None)
        except BaseException as error:
            code = final_code(rpc, error)
            raise
        finally:
            _log.log(_level(rpc.method, code), "Call finished.", extra=_facts(code, started))


def final_code(rpc: Rpc, error: BaseException | None) -> grpc.StatusCode:
    """The code that the caller gets; `error` is what came out of the handler, None when nothing did."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return grpc.StatusCode.CANCELLED
    found: Any = rpc.context.code()
    code = found if isinstance(found, grpc.StatusCode) else _BY_NUMBER.get(found or 0, grpc.StatusCode.UNKNOWN)
    if error is not None and code is grpc.StatusCode.OK:
        return grpc.StatusCode.UNKNOWN
    return code


def _level(method: str, code: grpc.StatusCode) -> int:
    if is_infrastructure(method):
        return logging.DEBUG
    if code in _ERROR:
        return logging.ERROR
    return logging.WARNING if code in _WARNING else logging.INFO


def _facts(code: grpc.StatusCode, started: float) -> dict[str, object]:
    call = current_call()
    return {
        "method": call.action,
        "code": code.name,
        "duration_ms": round((time.perf_counter() - started) * 1000, 1),
        "subject": call.principal.subject if call.principal else "anonymous",
        "remote_address": call.remote_address,
    }

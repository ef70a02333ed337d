"""Counts calls and times them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry.metrics import Meter

from services.common.context import current_call
from services.common.interceptors.access_log import final_code
from services.common.interceptors.base import CallInterceptor, Rpc

REQUESTS = "chalkandduster_api_requests"
"""Prometheus adds `_total`."""
DURATION = "chalkandduster_api_request_duration"
"""Prometheus adds `_seconds`."""
# From a read of one row (1 ms) over the gateway's 10 s deadline of writes to a preview's 60 s.
DURATION_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class MetricsInterceptor(CallInterceptor):
    """`chalkandduster_api_requests_total{method, code}` and `chalkandduster_api_request_duration_seconds{method}`.

    Methods that do not exist are not counted: their names are the caller's to choose, and would be labels without end.
    """

    def __init__(self, meter: Meter) -> None:
        self._requests = meter.create_counter(REQUESTS, description="Calls that ended, by method and status code.")
        self._duration = meter.create_histogram(
            DURATION,
            unit="s",
            description="Time from the first byte of a call to its last, by method.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS_SECONDS,
        )

    @asynccontextmanager
    async def around(self, rpc: Rpc) -> AsyncIterator[None]:
        """Records at the end, whatever the end was."""
        started = time.perf_counter()
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            method = current_call().action
            self._requests.add(1, {"method": method, "code": final_code(rpc, failure).name})
            self._duration.record(time.perf_counter() - started, {"method": method})

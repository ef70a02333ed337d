"""`Client`: the stubs of the services on one channel, and the two loops that every caller would write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol, Self, TypeVar

import grpc

from chalkandduster.client.channel import open_channel
from chalkandduster.client.errors import ApiError
from chalkandduster.quality.v1.quality_service_pb2_grpc import QualityServiceStub
from chalkandduster.quality.v1.run_pb2 import Run, WatchRunRequest
from chalkandduster.registry.v1.registry_service_pb2_grpc import RegistryServiceStub

_DEFAULT_TIMEOUT_S = 15.0
# A gateway that restarts is back within half a minute; one that never answered is not there.
_PATIENCE_S = 60.0
_FIRST_ATTEMPTS = 3
_CUT_OFF = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})
_BROKEN_WIRE = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN})


class _ListRequest(Protocol):
    page_token: str


class _ListResponse(Protocol):
    @property
    def next_page_token(self) -> str: ...


_Request = TypeVar("_Request", bound=_ListRequest)
_Page = TypeVar("_Page", bound=_ListResponse)


class WaitTimeoutError(Exception):
    """A run had not ended when the time was up. It goes on."""


class Client:
    """The API of one platform, for one caller.

    `registry` and `quality` are the generated stubs: each call takes a request message, answers the response message and raises
    `ApiError`. Calls end after `timeout_s` seconds unless they say otherwise (`timeout=`); reads are repeated when the gateway is
    not available. TLS is used for `https://` addresses.

        with Client("http://127.0.0.1:8000", token=token) as client:
            listed = client.registry.ListDatasets(ListDatasetsRequest(name="customers"))
            run = client.quality.TriggerDataset(TriggerDatasetRequest(dataset_id=listed.datasets[0].id))
            run = client.wait_for_run(run.id, timeout_s=600)
            for check in run.checks:
                print(check.name, CheckResult.Verdict.Name(check.verdict), check.message)
    """

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        api_key: str | None = None,
        tenant: str | None = None,
        timeout_s: float = _DEFAULT_TIMEOUT_S,
    ) -> None:
        """`tenant` is the id of the tenant that a platform admin acts in. Raises ValueError for a malformed address or two credentials."""
        if token and api_key:
            raise ValueError("give token or api_key, not both")
        given = {"authorization": f"Bearer {token}" if token else None, "x-api-key": api_key, "x-tenant-id": tenant}
        metadata = tuple((key, value) for key, value in given.items() if value)
        self.address = address
        self._channel = open_channel(address, metadata, timeout_s)
        self.registry = RegistryServiceStub(self._channel)
        self.quality = QualityServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection and all calls on it."""
        self._channel.close()

    def pages(self, method: Callable[[_Request], _Page], request: _Request) -> Iterator[_Page]:
        """All pages of a list, for example `client.pages(client.registry.ListDatasets, ListDatasetsRequest())`."""
        while True:
            page = method(request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def watch_run(self, run_id: str, *, timeout_s: float | None = None) -> Iterator[Run]:
        """The run now and at each change until it has ended; the last one carries the results.

        Watches again when the stream is cut off. Raises WaitTimeoutError after `timeout_s` seconds, and ApiError when there is no such
        run or the gateway stays away.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        last: Run | None = None
        failures, silent_since = 0, time.monotonic()
        while True:
            try:
                for run, done in self._watch_once(run_id, deadline):
                    failures, silent_since = 0, time.monotonic()
                    if run != last:
                        yield run
                        last = run
                    if done:
                        return
            except ApiError as error:
                failures += 1
                patient = failures < _FIRST_ATTEMPTS if last is None else time.monotonic() - silent_since < _PATIENCE_S
                overdue = deadline is not None and time.monotonic() >= deadline
                if not _is_cut_off(error) or not (patient or overdue):
                    raise
            pause = min(0.2 * 2 ** min(failures, 4), 3.0)
            if deadline is not None and time.monotonic() + pause >= deadline:
                raise WaitTimeoutError(f"run {run_id} has not ended within {timeout_s:g} seconds; it goes on")
            time.sleep(pause)

    def wait_for_run(self, run_id: str, *, timeout_s: float | None = None) -> Run:
        """The run with its results once it has ended. Raises as `watch_run` does."""
        *_, last = self.watch_run(run_id, timeout_s=timeout_s)
        return last

    def _watch_once(self, run_id: str, deadline: float | None) -> Iterator[tuple[Run, bool]]:
        left_s = None if deadline is None else max(0.001, deadline - time.monotonic())
        for message in self.quality.WatchRun(WatchRunRequest(id=run_id), timeout=left_s):
            if message.HasField("error"):
                raise ApiError.from_status(message.error)
            yield message.run, message.done


def _is_cut_off(error: ApiError) -> bool:
    """Whether the way to the service failed, not the service: then watching again can help."""
    return error.code in _CUT_OFF or (not error.reason and error.code in _BROKEN_WIRE)

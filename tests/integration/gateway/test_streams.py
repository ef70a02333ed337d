"""Streams: lines that arrive when they are sent, errors before and in the middle, and no cut while nothing happens."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest
from google.rpc import code_pb2, status_pb2

from chalkandduster.quality.v1 import quality_service_pb2_grpc, run_pb2
from tests.integration.gateway.harness import SERVICES, Backend, Gateway, filled, running_gateway

PATH = "/api/v1/runs/r1/watch"


def state(name: str, *, done: bool = False) -> run_pb2.WatchRunResponse:
    return filled(run_pb2.WatchRunResponse, run={"id": "r1", "state": name}, done=done)


def test_each_message_is_one_line_of_json(gateway: Gateway, backend: Backend) -> None:
    backend.on("WatchRun", lambda *_: iter([state("QUEUED"), state("RUNNING"), state("SUCCEEDED", done=True)]))
    with gateway.client() as client:
        answer = client.get(PATH)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [(line["run"]["state"], line["done"]) for line in lines] == [("QUEUED", False), ("RUNNING", False), ("SUCCEEDED", True)]


def test_line_arrives_before_the_next_is_known(gateway: Gateway, backend: Backend) -> None:
    read = threading.Semaphore(0)

    def watch(*_: Any) -> Iterator[run_pb2.WatchRunResponse]:
        for name in ("QUEUED", "RUNNING", "SUCCEEDED"):
            yield state(name)
            assert read.acquire(timeout=20)

    backend.on("WatchRun", watch)
    seen = []
    with gateway.client() as client, client.stream("GET", PATH) as answer:
        for line in answer.iter_lines():
            seen.append(json.loads(line)["run"]["state"])
            read.release()
    assert seen == ["QUEUED", "RUNNING", "SUCCEEDED"]


def test_watch_outlives_the_deadline_of_other_calls(gateway: Gateway, backend: Backend) -> None:
    backend.on("WatchRun", lambda *_: iter([state("SUCCEEDED", done=True)]))
    with gateway.client() as client:
        client.get(PATH)
    assert (backend.calls[0].time_remaining_s or 0) > 3000


def test_silent_watch_is_not_cut_where_a_silent_call_is(serving_backend: Backend, backend: Backend, tmp_path: Path) -> None:
    def watch(*_: Any) -> Iterator[run_pb2.WatchRunResponse]:
        yield state("RUNNING")
        time.sleep(2)
        yield state("SUCCEEDED", done=True)

    def get(*_: Any) -> run_pb2.Run:
        time.sleep(2)
        return run_pb2.Run()

    backend.on("WatchRun", watch)
    backend.on("GetRun", get)
    impatient = ("stream_idle_timeout: 120s", "stream_idle_timeout: 0.5s")
    with running_gateway(tmp_path, dict.fromkeys(SERVICES, serving_backend.port), replace=impatient) as short, short.client() as client:
        assert len(client.get(PATH).text.splitlines()) == 2
        assert client.get("/api/v1/runs/r1").status_code == 504


def test_service_learns_that_the_watcher_left(gateway: Gateway, backend: Backend) -> None:
    gone = threading.Event()

    def watch(_: Any, context: grpc.ServicerContext) -> Iterator[run_pb2.WatchRunResponse]:
        context.add_callback(gone.set)
        yield state("RUNNING")
        gone.wait(20)

    backend.on("WatchRun", watch)
    with gateway.client() as client, client.stream("GET", PATH) as answer:
        assert json.loads(next(answer.iter_lines()))["run"]["state"] == "RUNNING"
    assert gone.wait(20)


def test_error_before_the_first_message_has_its_status(gateway: Gateway, backend: Backend) -> None:
    def refuse(_: Any, context: grpc.ServicerContext) -> NoReturn:
        context.abort(grpc.StatusCode.NOT_FOUND, "there is no such run")

    backend.on("WatchRun", refuse)
    with gateway.client() as client:
        answer = client.get(PATH)
    assert (answer.status_code, answer.json()["message"]) == (404, "there is no such run")


def test_error_in_the_middle_travels_as_a_message(gateway: Gateway, backend: Backend) -> None:
    error = status_pb2.Status(code=code_pb2.UNAVAILABLE, message="shutting down")
    backend.on("WatchRun", lambda *_: iter([state("RUNNING"), run_pb2.WatchRunResponse(error=error)]))
    with gateway.client() as client:
        last = json.loads(client.get(PATH).text.splitlines()[-1])
    assert last["error"] == {"code": 14, "message": "shutting down", "details": []}


def test_grpc_client_reads_the_same_stream(gateway: Gateway, backend: Backend) -> None:
    backend.on("WatchRun", lambda *_: iter([state("RUNNING"), state("SUCCEEDED", done=True)]))
    with grpc.insecure_channel(gateway.address) as channel:
        stub = quality_service_pb2_grpc.QualityServiceStub(channel)
        states = [message.run.state for message in stub.WatchRun(run_pb2.WatchRunRequest(id="r1"), metadata=gateway.bearer())]
    assert states == [run_pb2.Run.RUNNING, run_pb2.Run.SUCCEEDED]


@pytest.mark.parametrize("watchers", [40])
def test_many_watchers_leave_room_for_calls(gateway: Gateway, backend: Backend, watchers: int) -> None:
    backend.on("WatchRun", lambda *_: iter([state("SUCCEEDED", done=True)]))
    with gateway.client("watcher") as client:
        assert {client.get(PATH).status_code for _ in range(watchers)} == {200}
        assert client.get("/api/v1/tenants").status_code == 200

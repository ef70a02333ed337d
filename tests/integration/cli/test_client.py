"""The client against a real gRPC server."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import pytest
from google.rpc import code_pb2

from chalkandduster.client import ApiError, Client, Violation, WaitTimeoutError
from chalkandduster.client.channel import parse_address
from chalkandduster.quality.v1.run_pb2 import Run
from chalkandduster.registry.v1.connection_pb2 import TestConnectionRequest as ConnectionTest
from chalkandduster.registry.v1.dataset_pb2 import CreateDatasetRequest, ListDatasetsRequest
from chalkandduster.registry.v1.tenant_pb2 import ListTenantsRequest
from tests.integration.cli.platform import Platform, new_id, status


def test_calls_carry_the_token_and_the_tenant(platform: Platform, gateway: str) -> None:
    with Client(gateway, token="t0ken", tenant="a-tenant") as client:
        client.registry.ListDatasets(ListDatasetsRequest())
    sent = platform.metadata[-1]
    assert sent["authorization"] == "Bearer t0ken"
    assert sent["x-tenant-id"] == "a-tenant"
    assert "x-api-key" not in sent


def test_calls_carry_the_api_key(platform: Platform, gateway: str) -> None:
    with Client(gateway, api_key="chk_1") as client:
        client.registry.ListDatasets(ListDatasetsRequest())
    assert platform.metadata[-1]["x-api-key"] == "chk_1"
    assert "authorization" not in platform.metadata[-1]


def test_token_and_api_key_together_are_refused(gateway: str) -> None:
    with pytest.raises(ValueError, match="not both"):
        Client(gateway, token="t", api_key="k")


def test_an_error_carries_reason_violations_and_metadata(platform: Platform, gateway: str) -> None:
    broken = status(code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST", "The request is not valid.", {"dataset.table": "must not be empty"})
    platform.failures["CreateDataset"] = [broken]
    with Client(gateway, token="t") as client, pytest.raises(ApiError) as caught:
        client.registry.CreateDataset(CreateDatasetRequest())
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.reason == "INVALID_REQUEST"
    assert caught.value.violations == (Violation("dataset.table", "must not be empty"),)
    assert caught.value.metadata == {"hint": "here"}
    assert str(caught.value) == "The request is not valid.\n  dataset.table: must not be empty"


def test_reads_are_repeated_when_the_gateway_is_unavailable(platform: Platform, gateway: str) -> None:
    gone = status(code_pb2.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE", "not now")
    platform.failures["ListTenants"] = [gone, gone]
    with Client(gateway, token="t") as client:
        assert [tenant.name for tenant in client.registry.ListTenants(ListTenantsRequest()).tenants] == ["acme"]
    assert len(platform.requests("ListTenants")) == 3


def test_changes_are_not_repeated(platform: Platform, gateway: str) -> None:
    platform.failures["CreateDataset"] = [status(code_pb2.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE", "not now")]
    with Client(gateway, token="t") as client, pytest.raises(ApiError, match="not now"):
        client.registry.CreateDataset(CreateDatasetRequest())
    assert len(platform.requests("CreateDataset")) == 1


def test_a_gateway_that_is_not_there_is_unavailable(free_port: Callable[[], int]) -> None:
    with Client(f"http://127.0.0.1:{free_port()}", token="t", timeout_s=5) as client, pytest.raises(ApiError) as caught:
        client.registry.TestConnection(ConnectionTest(id=new_id()))
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert caught.value.reason == ""


def test_pages_answers_every_page(platform: Platform, gateway: str) -> None:
    for number in range(5):
        platform.add_dataset(f"d{number}")
    with Client(gateway, token="t") as client:
        pages = list(client.pages(client.registry.ListDatasets, ListDatasetsRequest(page_size=2)))
    assert [[dataset.name for dataset in page.datasets] for page in pages] == [["d0", "d1"], ["d2", "d3"], ["d4"]]


def test_watching_goes_on_where_the_stream_broke_off(platform: Platform, gateway: str) -> None:
    gone = status(code_pb2.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE", "not now")
    platform.script = [
        Run(state=Run.QUEUED),
        None,
        Run(state=Run.QUEUED),
        Run(state=Run.RUNNING),
        gone,
        Run(state=Run.SUCCEEDED, verdict=Run.PASS),
    ]
    with Client(gateway, token="t") as client:
        states = [run.state for run in client.watch_run(new_id())]
    assert states == [Run.QUEUED, Run.RUNNING, Run.SUCCEEDED]
    assert len(platform.requests("WatchRun")) == 3


def test_watching_a_run_that_is_not_there_fails_at_once(platform: Platform, gateway: str) -> None:
    platform.failures["WatchRun"] = [status(code_pb2.NOT_FOUND, "RUN_NOT_FOUND", "There is no such run.")]
    with Client(gateway, token="t") as client, pytest.raises(ApiError) as caught:
        client.wait_for_run(new_id())
    assert caught.value.reason == "RUN_NOT_FOUND"
    assert len(platform.requests("WatchRun")) == 1


def test_an_error_inside_the_stream_is_raised(platform: Platform, gateway: str) -> None:
    platform.script = [Run(state=Run.QUEUED), status(code_pb2.PERMISSION_DENIED, "PERMISSION_DENIED", "No more.")]
    with Client(gateway, token="t") as client, pytest.raises(ApiError, match="No more"):
        client.wait_for_run(new_id())


def test_waiting_ends_when_the_time_is_up(platform: Platform, gateway: str) -> None:
    platform.script = [Run(state=Run.QUEUED)]
    with Client(gateway, token="t") as client, pytest.raises(WaitTimeoutError, match="it goes on"):
        client.wait_for_run(new_id(), timeout_s=0.3)


def test_waiting_answers_the_run_with_its_results(platform: Platform, gateway: str) -> None:
    ended = Run(state=Run.SUCCEEDED, verdict=Run.FAIL)
    ended.checks.add(name="row_count > 0", verdict=3)
    platform.script = [Run(state=Run.QUEUED), ended]
    with Client(gateway, token="t") as client:
        assert client.wait_for_run(new_id(), timeout_s=30).checks[0].name == "row_count > 0"


def test_calls_have_a_deadline_and_streams_have_none(platform: Platform, gateway: str) -> None:
    platform.script = [Run(state=Run.CANCELLED)]
    with Client(gateway, token="t", timeout_s=40) as client:
        client.registry.ListDatasets(ListDatasetsRequest())
        client.registry.TestConnection(ConnectionTest(id=new_id()))
        client.registry.ListTenants(ListTenantsRequest(), timeout=5)
        client.wait_for_run(new_id())
    left = platform.time_left
    assert 5.5 < (left["ListDatasets"] or 0) <= 42
    assert 42 < (left["TestConnection"] or 0) <= 72
    assert 0 < (left["ListTenants"] or 0) <= 5.5
    assert left["WatchRun"] is None or left["WatchRun"] > 1e9


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://localhost:8000", ("localhost:8000", True, False)),
        ("127.0.0.1:8000", ("127.0.0.1:8000", True, False)),
        ("https://dq.example.com", ("dq.example.com:443", False, True)),
        ("dq.example.com:444", ("dq.example.com:444", False, True)),
        ("http://dq.example.com/", ("dq.example.com:80", False, False)),
        ("http://[::1]:8000", ("[::1]:8000", True, False)),
    ],
)
def test_an_address_tells_target_and_tls(address: str, expected: tuple[str, bool, bool]) -> None:
    assert parse_address(address) == expected


@pytest.mark.parametrize("address", ["", "ftp://x", "http://", "http://h:99999", "http://h/path", "http://user@h", "http://h?x=1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        parse_address(address)

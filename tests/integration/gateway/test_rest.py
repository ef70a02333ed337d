"""REST calls: how they become RPCs, and how errors look."""

from __future__ import annotations

from typing import Any, NoReturn

import grpc
import httpx
import pytest
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from chalkandduster.quality.v1 import check_pb2, run_pb2
from chalkandduster.registry.v1 import tenant_pb2
from tests.integration.gateway.harness import Backend, Gateway


def assert_bad_request(answer: httpx.Response, *mentioned: str) -> None:
    assert answer.status_code == 400
    body = answer.json()
    assert body["code"] == 3
    assert all(part in body["message"] for part in mentioned)


def test_answer_is_the_resource_in_snake_case_with_short_enums(gateway: Gateway, backend: Backend) -> None:
    backend.on("GetRun", lambda request, _: run_pb2.Run(id=request.id, state=run_pb2.Run.RUNNING, kinds=[run_pb2.Run.QUALITY]))
    with gateway.client() as client:
        run = client.get("/api/v1/runs/r1").json()
    assert run["id"] == "r1"
    assert run["state"] == "RUNNING"
    assert run["kinds"] == ["QUALITY"]
    assert run["dataset_id"] == ""
    assert run["checks"] == []
    assert run["attempts"] == 0
    assert "start_time" not in run


def test_absent_measured_value_stays_absent_and_zero_is_shown(gateway: Gateway, backend: Backend) -> None:
    checks = [check_pb2.CheckResult(id="a"), check_pb2.CheckResult(id="b", measured_value=0, failed_rows_count=2**53)]
    backend.on("GetRun", lambda *_: run_pb2.Run(checks=checks))
    with gateway.client() as client:
        without, with_value = client.get("/api/v1/runs/r1").json()["checks"]
    assert "measured_value" not in without
    assert with_value["measured_value"] == 0
    assert with_value["failed_rows_count"] == 2**53


def test_body_fills_the_resource_and_the_query_the_rest(gateway: Gateway, backend: Backend) -> None:
    with gateway.client() as client:
        client.post("/api/v1/tenants", params={"request_id": "r-1"}, json={"name": "acme", "quotas": {"max_datasets": 5}})
    request = backend.calls[0].request
    assert (request.tenant.name, request.tenant.quotas.max_datasets, request.request_id) == ("acme", 5, "r-1")


def test_patch_carries_the_update_mask(gateway: Gateway, backend: Backend) -> None:
    with gateway.client() as client:
        client.patch("/api/v1/tenants/t1", params={"update_mask": "display_name,quotas.max_datasets"}, json={"display_name": "A"})
    request = backend.calls[0].request
    assert request.tenant.id == "t1"
    assert list(request.update_mask.paths) == ["display_name", "quotas.max_datasets"]


def test_id_in_the_body_must_not_contradict_the_path(gateway: Gateway, backend: Backend) -> None:
    with gateway.client() as client:
        assert_bad_request(client.patch("/api/v1/tenants/t1", json={"id": "t2"}), "t1", "t2")
    assert backend.calls == []


def test_post_without_a_body_is_fine(gateway: Gateway, backend: Backend) -> None:
    with gateway.client() as client:
        assert client.post("/api/v1/runs/r1/cancel").status_code == 200
        assert client.post("/api/v1/datasets/d1/trigger").status_code == 200
    assert [call.method for call in backend.calls] == ["CancelRun", "TriggerDataset"]
    assert backend.calls[1].request.dataset_id == "d1"


@pytest.mark.parametrize("value", ["RUNNING", "running", "2"])
def test_enum_in_the_query_is_read_in_any_case(gateway: Gateway, backend: Backend, value: str) -> None:
    with gateway.client() as client:
        assert client.get("/api/v1/runs", params={"state": value}).status_code == 200
    assert backend.calls[0].request.state == run_pb2.Run.RUNNING


def test_text_of_any_kind_arrives_as_it_was_sent(gateway: Gateway, backend: Backend) -> None:
    name = "o'\"\\ 🦆 ; DROP TABLE\n" + "x" * 10_000
    backend.on("CreateTenant", lambda request, _: request.tenant)
    with gateway.client() as client:
        answer = client.post("/api/v1/tenants", json={"display_name": name})
    assert backend.calls[0].request.tenant.display_name == name
    assert answer.json()["display_name"] == name


@pytest.mark.parametrize(
    ("body", "mentioned"),
    [
        (b'{"name": ', "Unexpected end"),
        (b"not json", "Unexpected token"),
        (b'{"name": "a"} trailing', "Parsing terminated"),
        (b"[1]", "list"),
        (b'{"name": 5}', "tenant.name"),
        (b'{"name": ["a"]}', "cannot start list"),
        (b'{"quotas": {"max_datasets": "many"}}', "tenant.quotas.max_datasets"),
        (b'{"quotas": {"max_datasets": 99999999999}}', "tenant.quotas.max_datasets"),
        (b'{"state": "FLYING"}', "tenant.state"),
        (b'{"quotas": 5}', "quotas"),
    ],
)
def test_unreadable_body_names_what_is_wrong(gateway: Gateway, backend: Backend, body: bytes, mentioned: str) -> None:
    with gateway.client() as client:
        assert_bad_request(client.post("/api/v1/tenants", content=body), mentioned)
    assert backend.calls == []


@pytest.mark.parametrize(("name", "value"), [("state", "FLYING"), ("page_size", "many"), ("stat", "RUNNING"), ("from_time", "yesterday")])
def test_unreadable_query_names_the_parameter(gateway: Gateway, backend: Backend, name: str, value: str) -> None:
    with gateway.client() as client:
        assert_bad_request(client.get("/api/v1/runs", params={name: value}), name)
    assert backend.calls == []


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/"),
        ("GET", "/api/v1/nothing"),
        ("GET", "/api/v2/tenants"),
        ("POST", "/api/v1/tenants/t1"),
        ("GET", "/api/v1/tenants/../../docs/../secret"),
        ("POST", "/chalkandduster.registry.v1.RegistryService/GetTenant"),
        ("POST", "/chalkandduster.registry.v1.RegistryService/ResolveDataset"),
        ("GET", "/docs/envoy.yaml"),
    ],
)
def test_unknown_path_is_not_found_in_json(gateway: Gateway, backend: Backend, verb: str, path: str) -> None:
    with gateway.client() as client:
        answer = client.request(verb, path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert (answer.json()["code"], answer.json()["details"][0]["reason"]) == (5, "PATH_NOT_FOUND")
    assert backend.calls == []


@pytest.mark.parametrize("path", ["/api/v1/tenants%2ft1", "/api/v1/tenants/..%2f..%2fsecret", "/api/v1%5ctenants"])
def test_escaped_slash_in_a_path_is_refused(gateway: Gateway, backend: Backend, path: str) -> None:
    with gateway.client() as client:
        assert_bad_request(client.get(path))
    assert backend.calls == []


def fail_with(code: int, *details: Any) -> Any:
    def handler(_: Any, context: grpc.ServicerContext) -> NoReturn:
        status = status_pb2.Status(code=code, message="no such thing")
        for detail in details:
            packed = any_pb2.Any()
            packed.Pack(detail)
            status.details.append(packed)
        context.abort_with_status(rpc_status.to_status(status))

    return handler


@pytest.mark.parametrize(
    ("code", "http_status"),
    [
        (code_pb2.INVALID_ARGUMENT, 400),
        (code_pb2.FAILED_PRECONDITION, 400),
        (code_pb2.UNAUTHENTICATED, 401),
        (code_pb2.PERMISSION_DENIED, 403),
        (code_pb2.NOT_FOUND, 404),
        (code_pb2.ALREADY_EXISTS, 409),
        (code_pb2.ABORTED, 409),
        (code_pb2.RESOURCE_EXHAUSTED, 429),
        (code_pb2.INTERNAL, 500),
        (code_pb2.UNIMPLEMENTED, 501),
        (code_pb2.UNAVAILABLE, 503),
        (code_pb2.DEADLINE_EXCEEDED, 504),
    ],
)
def test_error_of_a_service_keeps_its_code_and_message(gateway: Gateway, backend: Backend, code: int, http_status: int) -> None:
    backend.on("CreateTenant", fail_with(code))
    with gateway.client() as client:
        answer = client.post("/api/v1/tenants", json={"name": "acme"})
    assert answer.status_code == http_status
    assert answer.json() == {"code": code, "message": "no such thing", "details": []}


def test_details_of_an_error_are_readable_json(gateway: Gateway, backend: Backend) -> None:
    violation = error_details_pb2.BadRequest.FieldViolation(field="tenant.name", description="must not be empty")
    info = error_details_pb2.ErrorInfo(reason="INVALID_REQUEST", domain="chalkandduster", metadata={"name": ""})
    backend.on("CreateTenant", fail_with(code_pb2.INVALID_ARGUMENT, info, error_details_pb2.BadRequest(field_violations=[violation])))
    with gateway.client() as client:
        details = client.post("/api/v1/tenants", json={}).json()["details"]
    assert details[0] == {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "INVALID_REQUEST",
        "domain": "chalkandduster",
        "metadata": {"name": ""},
    }
    assert details[1]["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    (shown,) = details[1]["field_violations"]
    assert (shown["field"], shown["description"]) == ("tenant.name", "must not be empty")


def test_delete_answers_an_empty_object(gateway: Gateway, backend: Backend) -> None:
    with gateway.client() as client:
        answer = client.delete("/api/v1/tenants/t1", params={"etag": "e1"})
    assert (answer.status_code, answer.json()) == (200, {})
    assert backend.calls[0].request == tenant_pb2.DeleteTenantRequest(id="t1", etag="e1")

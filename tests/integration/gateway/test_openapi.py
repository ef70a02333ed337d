"""Answers through the gateway are what the OpenAPI document says."""

from __future__ import annotations

from typing import Any

import grpc
import httpx
import jsonschema
import pytest

from chalkandduster.quality.v1 import run_pb2, schedule_pb2
from chalkandduster.registry.v1 import connection_pb2, tenant_pb2
from tests.integration.gateway.harness import Backend, Gateway, filled

NOW = "2026-11-23T08:00:00.120Z"


@pytest.fixture(scope="session")
def document(gateway: Gateway) -> dict[str, Any]:
    with gateway.stranger() as client:
        return dict(client.get("/openapi.json").json())


def assert_described(document: dict[str, Any], path: str, answer: httpx.Response) -> None:
    responses = document["paths"][path][answer.request.method.lower()]["responses"]
    described = responses[str(answer.status_code)]
    if "$ref" in described:
        described = document["components"]["responses"][described["$ref"].rsplit("/", 1)[1]]
    schema = described["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(answer.json())


CHECKS = [
    {"id": "a", "name": "a", "verdict": "FAIL", "measured_value": 2.5, "failed_rows_count": 7, "attributes": {"k": "v"}},
    {"id": "b", "verdict": "NOT_EVALUATED"},
]
DRIFTS = [{"id": "x", "kind": "SCHEMA", "columns": ["a"], "severity": "WARNING", "confidence": 0.9}]
RUN = {
    "id": "r1",
    "kinds": ["QUALITY", "DRIFT"],
    "state": "SUCCEEDED",
    "verdict": "FAIL",
    "create_time": NOW,
    "checks": CHECKS,
    "check_counts": {"total": 2, "failed": 1, "not_evaluated": 1},
    "drifts": DRIFTS,
}
TENANT = {"id": "t", "name": "acme", "state": "ACTIVE", "quotas": {"max_datasets": 1}, "create_time": NOW}
CONNECTION = {"id": "c", "name": "w", "snowflake": {"account": "a", "user": "u", "has_password": True, "granted_schemas": ["X"]}}


def test_filled_answers_are_as_described(gateway: Gateway, backend: Backend, document: dict[str, Any]) -> None:
    backend.on("GetRun", lambda *_: filled(run_pb2.Run, **RUN))
    backend.on("ListTenants", lambda *_: filled(tenant_pb2.ListTenantsResponse, tenants=[TENANT]))
    backend.on("GetConnection", lambda *_: filled(connection_pb2.Connection, **CONNECTION))
    backend.on("GetSchedule", lambda *_: filled(schedule_pb2.Schedule, cron="* * * * *", next_run_time=NOW, kinds=["DRIFT"]))
    with gateway.client() as client:
        assert_described(document, "/api/v1/runs/{id}", client.get("/api/v1/runs/r1"))
        assert_described(document, "/api/v1/tenants", client.get("/api/v1/tenants"))
        assert_described(document, "/api/v1/connections/{id}", client.get("/api/v1/connections/c"))
        assert_described(document, "/api/v1/datasets/{dataset_id}/schedule", client.get("/api/v1/datasets/d/schedule"))


def test_empty_answers_are_as_described(gateway: Gateway, backend: Backend, document: dict[str, Any]) -> None:
    with gateway.client() as client:
        for path in ("/api/v1/runs", "/api/v1/tenants", "/api/v1/audit-events", "/api/v1/api-keys", "/api/v1/health"):
            assert_described(document, path, client.get(path))
        assert_described(document, "/api/v1/tenants/{id}", client.delete("/api/v1/tenants/t1"))
        assert_described(document, "/api/v1/checks/validate", client.post("/api/v1/checks/validate", json={"checks_yaml": "a"}))
    assert len(backend.calls) == 7


def test_errors_are_as_described(gateway: Gateway, backend: Backend, document: dict[str, Any]) -> None:
    def missing(_: Any, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.NOT_FOUND, "there is no such tenant")

    backend.on("GetTenant", missing)
    with gateway.client() as client, gateway.stranger() as stranger:
        for path, answer in {
            "/api/v1/tenants/{id}": client.get("/api/v1/tenants/t1"),
            "/api/v1/tenants": client.post("/api/v1/tenants", content=b"{"),
            "/api/v1/runs": stranger.get("/api/v1/runs"),
            "/api/v1/datasets": client.post("/api/v1/datasets", content=b" " * 1_100_000),
        }.items():
            assert answer.is_client_error
            assert_described(document, path, answer)


def test_every_documented_path_is_served(gateway: Gateway, backend: Backend, document: dict[str, Any]) -> None:
    with gateway.client("walker") as client:
        for path, operations in document["paths"].items():
            for verb, operation in operations.items():
                body = b"{}" if "requestBody" in operation else None
                answer = client.request(verb, path.replace("{", "").replace("}", ""), content=body)
                assert answer.status_code == 200, (verb, path, answer.text)
                assert backend.calls[-1].method.lower() == operation["operationId"].lower()

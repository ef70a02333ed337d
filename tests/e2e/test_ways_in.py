"""The same platform by the generated client, by `buf curl`, and as its OpenAPI document describes it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import openapi_spec_validator
import pytest

from chalkandduster.client import ApiError, Client
from chalkandduster.quality.v1.quality_service_pb2 import DESCRIPTOR as QUALITY
from chalkandduster.quality.v1.run_pb2 import Run, TriggerDatasetRequest
from chalkandduster.registry.v1.dataset_pb2 import GetDatasetRequest, ListDatasetsRequest
from tests.e2e.suite import Suite, Tenant

pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).resolve().parents[2]
BUF = str(Path(sys.executable).with_name("buf"))


@pytest.fixture(scope="module")
def acme(suite: Suite) -> Tenant:
    tenant = suite.new_tenant()
    tenant.execute("CREATE TABLE orders (id INT)", "INSERT INTO orders VALUES (1), (1)")
    return tenant


@pytest.fixture(scope="module")
def dataset(acme: Tenant) -> dict[str, Any]:
    return acme.new_dataset(acme.new_connection()["id"], "ORDERS", ["row_count > 0", "duplicate_count(id) = 0"])


def test_generated_client_triggers_a_run_and_waits_for_its_verdict(acme: Tenant, dataset: dict[str, Any], suite: Suite) -> None:
    with Client(suite.gateway, token=suite.token("editor", acme.name)) as client:
        (listed,) = client.registry.ListDatasets(ListDatasetsRequest(name="orders")).datasets
        assert listed.id == dataset["id"]
        started = client.quality.TriggerDataset(TriggerDatasetRequest(dataset_id=listed.id))
        run = client.wait_for_run(started.id, timeout_s=60)
    assert run.verdict == Run.FAIL
    assert run.check_counts.failed == 1


def test_generated_client_raises_the_reason_of_an_error(acme: Tenant, suite: Suite) -> None:
    with Client(suite.gateway, token=suite.token("editor", acme.name)) as client, pytest.raises(ApiError) as caught:
        client.registry.GetDataset(GetDatasetRequest(id="01930000-0000-7000-8000-000000000000"))
    assert caught.value.reason == "DATASET_NOT_FOUND"


def test_buf_curl_calls_through_the_gateway(acme: Tenant, dataset: dict[str, Any], suite: Suite) -> None:
    listed = _buf_curl(suite, acme, "chalkandduster.registry.v1.RegistryService/ListDatasets", {"page_size": 5})
    assert [row["id"] for row in listed["datasets"]] == [dataset["id"]]
    run = _buf_curl(suite, acme, "chalkandduster.quality.v1.QualityService/TriggerDataset", {"dataset_id": dataset["id"]})
    assert run["state"] == "QUEUED"


def test_internal_calls_are_closed_to_users(acme: Tenant, dataset: dict[str, Any], suite: Suite) -> None:
    for role in ("tenant_admin", "editor", "viewer"):
        done = _buf(suite, suite.token(role, acme.name), "chalkandduster.registry.v1.RegistryService/ResolveDataset", {"id": dataset["id"]})
        assert done.returncode != 0
        assert "unimplemented" in done.stderr, "the gateway must not even route it"
        assert "password" not in done.stdout


def test_openapi_document_is_valid_and_describes_every_rest_path(suite: Suite) -> None:
    document = _openapi(suite)
    openapi_spec_validator.validate(document)
    rpcs = [method.name[0].lower() + method.name[1:] for service in QUALITY.services_by_name.values() for method in service.methods]
    operations = json.dumps(
        [
            operation.get("operationId", "")
            for path in document["paths"].values()
            for operation in path.values()
            if isinstance(operation, dict)
        ]
    )
    assert "/api/v1/datasets/{dataset_id}/trigger" in document["paths"]
    assert all(rpc in operations for rpc in rpcs if rpc != "getDatasetUsage")


def test_real_answers_fit_the_openapi_document(acme: Tenant, dataset: dict[str, Any], suite: Suite) -> None:
    document = _openapi(suite)
    run = acme.run(dataset["id"])
    unknown = "01930000-0000-7000-8000-000000000000"
    asked = [
        ("/api/v1/datasets", "get", acme.api.call("GET", "/datasets")),
        ("/api/v1/datasets/{id}", "get", acme.api.call("GET", f"/datasets/{dataset['id']}")),
        ("/api/v1/runs/{id}", "get", acme.api.call("GET", f"/runs/{run['id']}")),
        ("/api/v1/runs/{id}", "get", acme.api.call("GET", f"/runs/{unknown}")),
        ("/api/v1/runs", "get", acme.api.call("GET", "/runs")),
        ("/api/v1/connections", "get", acme.api.call("GET", "/connections")),
        ("/api/v1/audit-events", "get", acme.api.call("GET", "/audit-events")),
        ("/api/v1/datasets", "post", acme.api.call("POST", "/datasets", {"name": ""})),
        (
            "/api/v1/checks/validate",
            "post",
            acme.api.call("POST", "/checks/validate", {"checks_yaml": "checks for a:\n  - row_count > 0\n"}),
        ),
    ]
    for path, method, answer in asked:
        _assert_described(document, path, method, answer)


def test_docs_page_loads_only_its_own_files(suite: Suite) -> None:
    page = httpx.get(f"{suite.gateway}/docs", follow_redirects=True, trust_env=False)
    assert page.status_code == 200
    assert "swagger" in page.text.lower()
    assert re.findall(r"(?:src|href)\s*=\s*[\"']https?:", page.text) == []


def _openapi(suite: Suite) -> dict[str, Any]:
    return dict(httpx.get(f"{suite.gateway}/openapi.json", trust_env=False).json())


def _assert_described(document: dict[str, Any], path: str, method: str, answer: httpx.Response) -> None:
    described = document["paths"][path][method]["responses"]
    response = described.get(str(answer.status_code), described.get("default"))
    while "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    schema = response["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(answer.json())


def _buf(suite: Suite, token: str, method: str, body: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    command = [
        BUF,
        "curl",
        "--schema",
        "proto",
        "--schema",
        "third_party",
        "--http2-prior-knowledge",
        "--protocol",
        "grpc",
        "-H",
        f"authorization: Bearer {token}",
        "-d",
        json.dumps(body),
        f"{suite.gateway}/{method}",
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def _buf_curl(suite: Suite, tenant: Tenant, method: str, body: dict[str, Any]) -> dict[str, Any]:
    done = _buf(suite, suite.token("editor", tenant.name), method, body)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))

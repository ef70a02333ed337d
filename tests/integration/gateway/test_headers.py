"""Which headers reach the services, which come back, and what the log keeps of a call."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.gateway.harness import Backend, Gateway


def logged(gateway: Gateway, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first entry of the access log that fits; Envoy writes it shortly after the answer."""
    for _ in range(200):
        lines = gateway.access_log.read_text("utf-8").splitlines() if gateway.access_log.exists() else []
        for entry in map(json.loads, lines):
            if fits(entry):
                return dict(entry)
        time.sleep(0.05)
    raise AssertionError("the call is not in the access log")


def test_headers_that_services_need_arrive(gateway: Gateway, backend: Backend) -> None:
    sent = {
        "x-tenant-id": "0193-tenant",
        "x-request-id": "my-own-id",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "x-api-key": "chk_1",
    }
    with gateway.client() as client:
        client.get("/api/v1/tenants", headers=sent)
    assert sent.items() <= backend.calls[0].metadata.items()


@pytest.mark.parametrize(
    "name", ["x-auth-sub", "X-Auth-Tenant", "x-auth-anything", "x-envoy-max-retries", "x-envoy-upstream-rq-timeout-ms"]
)
def test_headers_that_speak_for_the_gateway_are_removed(gateway: Gateway, backend: Backend, name: str) -> None:
    with gateway.client() as client:
        client.get("/api/v1/tenants", headers={name: "root"})
    assert name.lower() not in backend.calls[0].metadata


def test_claimed_address_of_the_caller_is_replaced_by_the_real_one(gateway: Gateway, backend: Backend) -> None:
    with gateway.client() as client:
        client.get("/api/v1/tenants", headers={"x-forwarded-for": "203.0.113.9, 203.0.113.10"})
    forwarded = backend.calls[0].metadata["x-forwarded-for"]
    assert "203.0.113" not in forwarded
    assert "," not in forwarded


def test_claimed_original_path_does_not_reach_the_log(gateway: Gateway) -> None:
    with gateway.client() as client:
        client.get("/nowhere", headers={"x-envoy-original-path": "/forged", "x-request-id": "forged-path"})
    assert logged(gateway, lambda entry: entry.get("request_id") == "forged-path")["path"] == "/nowhere"


def test_request_id_is_kept_or_made_and_always_returned(gateway: Gateway, backend: Backend) -> None:
    with gateway.client() as client:
        assert client.get("/api/v1/tenants", headers={"x-request-id": "mine"}).headers["x-request-id"] == "mine"
        made = client.get("/api/v1/tenants").headers["x-request-id"]
        assert client.get("/nowhere").headers["x-request-id"] != made
    assert backend.calls[1].metadata["x-request-id"] == made


def test_log_tells_the_call_and_the_caller(gateway: Gateway, backend: Backend) -> None:
    with gateway.client("anna") as client:
        client.get("/api/v1/runs", headers={"x-request-id": "log-1"})
    entry = logged(gateway, lambda entry: entry.get("request_id") == "log-1")
    assert entry["method"] == "GET"
    assert entry["path"] == "/api/v1/runs"
    assert entry["rpc"] == "/chalkandduster.quality.v1.QualityService/ListRuns"
    assert (entry["status"], entry["grpc_status"], entry["subject"], entry["route"]) == (200, "OK", "anna", "quality-read")
    assert backend.calls[0].method == "ListRuns"


def test_log_holds_no_secret(gateway: Gateway) -> None:
    secrets = {"x-api-key": "chk_secret_value", "cookie": "session=cookie_secret", "x-request-id": "log-2"}
    with gateway.client() as client:
        token = client.headers["authorization"]
        client.get("/api/v1/runs", params={"page_token": "page_secret", "dataset_id": "tenant_secret"}, headers=secrets)
        client.get("/nowhere?access_token=query_secret", headers={"x-request-id": "log-3"})
    logged(gateway, lambda entry: entry.get("request_id") == "log-2")
    logged(gateway, lambda entry: entry.get("request_id") == "log-3")
    log = gateway.access_log.read_text("utf-8")
    assert token.split()[1] not in log
    sent = ("chk_secret_value", "cookie_secret", "page_secret", "tenant_secret", "query_secret")
    assert [leaked for leaked in sent if leaked in log] == []


def test_hostile_text_cannot_break_a_log_line(gateway: Gateway) -> None:
    with gateway.client() as client:
        client.get('/no"where/%0a{"forged": 1}', headers={"x-request-id": "log-4", "user-agent": 'a"b\\c'})
    assert logged(gateway, lambda entry: entry.get("request_id") == "log-4")["user_agent"] == 'a"b\\c'

"""Sizes, rates, deadlines, retries, and services that are not there."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

import grpc
import httpx
import pytest

from chalkandduster.local import ports
from chalkandduster.registry.v1 import registry_service_pb2_grpc, tenant_pb2
from gateway.limits import Rate, RateLimits
from tests.integration.gateway.harness import SERVICES, Backend, Gateway, filled, running_gateway

MIB = 1024 * 1024
# Refills too slowly to matter while a test runs, but for `default`, of which nothing is tested that needs more calls.
TIGHT = RateLimits(default=Rate(8, 1), trigger=Rate(3, 1), costly=Rate(2, 1), anonymous=Rate(1000, 1000))


@pytest.fixture(scope="module")
def tight_gateway(serving_backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    ports_of = dict.fromkeys(SERVICES, serving_backend.port)
    with running_gateway(tmp_path_factory.mktemp("tight"), ports_of, rate_limits=TIGHT) as running:
        yield running


def body_of(size: int) -> bytes:
    frame = len(json.dumps({"display_name": ""}))
    return json.dumps({"display_name": "x" * (size - frame)}).encode()


def assert_too_large(answer: httpx.Response) -> None:
    assert answer.status_code == 413
    assert (answer.json()["code"], answer.json()["message"]) == (8, "The request body is larger than 1 MiB.")
    assert answer.json()["details"][0]["reason"] == "REQUEST_TOO_LARGE"


def test_body_of_one_mebibyte_passes(gateway: Gateway, backend: Backend) -> None:
    with gateway.client() as client:
        assert client.post("/api/v1/tenants", content=body_of(MIB - 1)).status_code == 200
    assert len(backend.calls[0].request.tenant.display_name) > MIB - 100


def test_larger_body_is_refused(gateway: Gateway, backend: Backend) -> None:
    with gateway.client() as client:
        assert_too_large(client.post("/api/v1/tenants", content=body_of(MIB + 1)))
    assert backend.calls == []


def test_larger_body_of_unknown_length_is_refused(gateway: Gateway, backend: Backend) -> None:
    chunks = [body_of(2 * MIB)[at : at + 65536] for at in range(0, 2 * MIB, 65536)]
    with gateway.client() as client:
        assert_too_large(client.post("/api/v1/tenants", content=iter(chunks)))
    assert backend.calls == []


def test_larger_grpc_message_is_refused(gateway: Gateway, backend: Backend) -> None:
    request = filled(tenant_pb2.CreateTenantRequest, tenant={"display_name": "x" * (MIB + 1)})
    with grpc.insecure_channel(gateway.address) as channel, pytest.raises(grpc.RpcError):
        registry_service_pb2_grpc.RegistryServiceStub(channel).CreateTenant(request, metadata=gateway.bearer())
    assert backend.calls == []


def test_larger_headers_are_refused(gateway: Gateway, backend: Backend) -> None:
    with gateway.client() as client:
        answer = client.get("/api/v1/tenants", headers={"x-big": "x" * 40_000})
    assert (answer.status_code, answer.json()["code"]) == (431, 8)
    assert backend.calls == []


def test_answer_of_several_mebibytes_passes(gateway: Gateway, backend: Backend) -> None:
    backend.on("ListTenants", lambda *_: filled(tenant_pb2.ListTenantsResponse, tenants=[{"display_name": "x" * 1000}] * 5000))
    with gateway.client() as client:
        assert len(client.get("/api/v1/tenants").json()["tenants"]) == 5000


def statuses(client: httpx.Client, calls: int, path: str = "/api/v1/tenants", verb: str = "GET", **headers: str) -> list[int]:
    return [client.request(verb, path, headers=headers).status_code for _ in range(calls)]


def test_caller_over_its_rate_is_refused_and_others_are_not(tight_gateway: Gateway, backend: Backend) -> None:
    with tight_gateway.client("greedy") as greedy, tight_gateway.client("modest") as modest:
        while (answer := greedy.get("/api/v1/tenants")).status_code == 200:
            assert len(backend.calls) < 100
        assert answer.status_code == 429
        assert answer.json()["code"] == 8
        assert "retry-after" in answer.json()["message"]
        assert int(answer.headers["retry-after"]) >= 1
        assert modest.get("/api/v1/tenants").status_code == 200


def test_rest_and_grpc_calls_count_together(tight_gateway: Gateway, backend: Backend) -> None:
    with tight_gateway.client("both") as client:
        while client.get("/api/v1/tenants").status_code == 200:
            assert len(backend.calls) < 100
    with grpc.insecure_channel(tight_gateway.address) as channel, pytest.raises(grpc.RpcError) as error:
        registry_service_pb2_grpc.RegistryServiceStub(channel).ListTenants(
            tenant_pb2.ListTenantsRequest(), metadata=tight_gateway.bearer("both")
        )
    assert isinstance(error.value, grpc.Call)
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_triggers_and_costly_calls_have_lower_rates(tight_gateway: Gateway, backend: Backend) -> None:
    with tight_gateway.client("trigger") as client:
        assert 429 in statuses(client, 5, "/api/v1/datasets/d1/trigger", "POST")
        assert 429 in statuses(client, 4, "/api/v1/connections/c1/test", "POST")
        assert statuses(client, 1) == [200]
    assert {call.method for call in backend.calls} == {"TriggerDataset", "TestConnection", "ListTenants"}


def test_each_api_key_has_a_rate_of_its_own(tight_gateway: Gateway, backend: Backend) -> None:
    with tight_gateway.stranger() as client:
        assert 429 in statuses(client, 12, **{"x-api-key": "chk_greedy"})
        assert statuses(client, 1, **{"x-api-key": "chk_modest"}) == [200]
    assert backend.calls[-1].metadata["x-api-key"] == "chk_modest"


def test_made_up_api_keys_do_not_evade_the_rate(tight_gateway: Gateway, backend: Backend) -> None:
    with tight_gateway.stranger() as client:
        found = (client.get("/api/v1/tenants", headers={"x-api-key": f"chk_{number}"}).status_code for number in itertools.count())
        assert 429 in itertools.islice(found, 200)
    assert len(backend.calls) < 200


def test_service_gets_the_deadline_and_the_caller_its_own_shorter_one(gateway: Gateway, backend: Backend) -> None:
    with gateway.client() as client:
        client.get("/api/v1/tenants")
        client.post("/api/v1/checks/validate", json={"checks_yaml": "x"})
        client.post("/api/v1/checks/preview", json={"checks_yaml": "x"})
        client.get("/api/v1/tenants", headers={"grpc-timeout": "2S"})
    remaining = [call.time_remaining_s or 0 for call in backend.calls]
    assert 10 < remaining[0] <= 15
    assert 25 < remaining[1] <= 30
    assert 60 < remaining[2] <= 65
    assert 0 < remaining[3] <= 2


def test_call_past_its_deadline_ends_with_504_and_is_cancelled_in_the_service(gateway: Gateway, backend: Backend) -> None:
    cancelled = threading.Event()

    def hang(_: Any, context: grpc.ServicerContext) -> tenant_pb2.Tenant:
        context.add_callback(cancelled.set)
        cancelled.wait(20)
        return tenant_pb2.Tenant()

    backend.on("GetTenant", hang)
    with gateway.client() as client:
        answer = client.get("/api/v1/tenants/t1", headers={"grpc-timeout": "300m"}, timeout=20)
    assert answer.status_code == 504
    assert answer.json()["code"] == 4
    assert cancelled.wait(20)


def failing_first(times: int) -> Any:
    attempts = itertools.count(1)

    def handler(_: Any, context: grpc.ServicerContext) -> Any:
        if next(attempts) <= times:
            context.abort(grpc.StatusCode.UNAVAILABLE, "busy")
        return tenant_pb2.Tenant(id="t1")

    return handler


def test_read_is_tried_again_when_a_service_is_unavailable(gateway: Gateway, backend: Backend) -> None:
    backend.on("GetTenant", failing_first(2))
    with gateway.client() as client:
        assert client.get("/api/v1/tenants/t1").json()["id"] == "t1"
    assert len(backend.calls) == 3


def test_write_is_never_tried_again(gateway: Gateway, backend: Backend) -> None:
    backend.on("CreateTenant", failing_first(1))
    with gateway.client() as client:
        assert client.post("/api/v1/tenants", json={"name": "acme"}).status_code == 503
    assert len(backend.calls) == 1


def test_unavailable_answers_of_one_tenant_take_no_service_away(gateway: Gateway, backend: Backend) -> None:
    def unavailable(_: Any, context: grpc.ServicerContext) -> NoReturn:
        context.abort(grpc.StatusCode.UNAVAILABLE, "the warehouse does not answer")

    backend.on("CreateTenant", unavailable)
    with gateway.client() as client:
        assert set(statuses(client, 20, verb="POST")) == {503}
        assert client.get("/api/v1/tenants").status_code == 200


def test_service_that_is_not_there_is_named(serving_backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> None:
    services = {"registry": serving_backend.port, "quality": ports.find_free()}
    with running_gateway(tmp_path_factory.mktemp("half"), services, expect_healthy=["registry"]) as half, half.client() as client:
        answer = client.post("/api/v1/datasets/d1/trigger")
        assert answer.status_code == 503
        assert answer.json()["code"] == 14
        assert "quality" in answer.json()["message"]
        assert "127.0.0.1" not in answer.text
        assert client.get("/api/v1/tenants").status_code == 200


def test_services_that_are_not_given_are_not_found(serving_backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_gateway(tmp_path_factory.mktemp("alone"), {"registry": serving_backend.port}) as alone, alone.client() as client:
        assert client.get("/api/v1/runs").status_code == 404
        assert client.get("/api/v1/tenants").status_code == 200

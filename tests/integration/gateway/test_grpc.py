"""gRPC through the gateway: the generated client, `buf curl`, reflection, and what is for services only."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from chalkandduster.quality.v1 import quality_service_pb2_grpc, run_pb2
from chalkandduster.registry.v1 import api_key_pb2, dataset_pb2, registry_service_pb2_grpc, tenant_pb2
from tests.integration.gateway.harness import Backend, Gateway

BUF = Path(sys.executable).with_name("buf")


def raw_call(channel: grpc.Channel, path: str) -> Any:
    """A callable that sends and answers bytes."""
    return channel.unary_unary(path)


def buf_curl(gateway: Gateway, path: str, *arguments: str, token: bool = True) -> subprocess.CompletedProcess[str]:
    header = ["--header", f"authorization: Bearer {gateway.issuer.mint('viewer')}"] if token else []
    command = [str(BUF), "curl", "--http2-prior-knowledge", "--protocol", "grpc", *header, *arguments, f"{gateway.url}{path}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_generated_client_calls_both_services(gateway: Gateway, backend: Backend) -> None:
    backend.on("GetTenant", lambda request, _: tenant_pb2.Tenant(id=request.id, name="acme"))
    backend.on("TriggerDataset", lambda request, _: run_pb2.Run(dataset_id=request.dataset_id, state=run_pb2.Run.QUEUED))
    with grpc.insecure_channel(gateway.address) as channel:
        registry = registry_service_pb2_grpc.RegistryServiceStub(channel)
        quality = quality_service_pb2_grpc.QualityServiceStub(channel)
        tenant = registry.GetTenant(tenant_pb2.GetTenantRequest(id="t1"), metadata=gateway.bearer())
        run = quality.TriggerDataset(run_pb2.TriggerDatasetRequest(dataset_id="d1"), metadata=gateway.bearer())
    assert (tenant.id, tenant.name) == ("t1", "acme")
    assert (run.dataset_id, run.state) == ("d1", run_pb2.Run.QUEUED)


async def test_generated_async_client_works_too(gateway: Gateway, backend: Backend) -> None:
    async with grpc.aio.insecure_channel(gateway.address) as channel:
        stub = registry_service_pb2_grpc.RegistryServiceStub(channel)
        answer = await stub.ListTenants(tenant_pb2.ListTenantsRequest(page_size=7), metadata=gateway.bearer())
    assert answer == tenant_pb2.ListTenantsResponse()
    assert backend.calls[0].request.page_size == 7


def test_deadline_of_the_client_reaches_the_service(gateway: Gateway, backend: Backend) -> None:
    with grpc.insecure_channel(gateway.address) as channel:
        stub = registry_service_pb2_grpc.RegistryServiceStub(channel)
        stub.ListTenants(tenant_pb2.ListTenantsRequest(), metadata=gateway.bearer(), timeout=5)
        stub.ListTenants(tenant_pb2.ListTenantsRequest(), metadata=gateway.bearer(), timeout=500)
    assert 0 < (backend.calls[0].time_remaining_s or 0) <= 5
    assert 10 < (backend.calls[1].time_remaining_s or 0) <= 15


@pytest.mark.parametrize("method", ["ResolveDataset", "ResolveConnection", "AuthenticateApiKey", "RecordAuditEvents"])
def test_rpc_for_services_only_does_not_exist_outside(gateway: Gateway, backend: Backend, method: str) -> None:
    call = f"/chalkandduster.registry.v1.RegistryService/{method}"
    with grpc.insecure_channel(gateway.address) as channel, pytest.raises(grpc.RpcError) as error:
        raw_call(channel, call)(b"", metadata=gateway.bearer())
    assert isinstance(error.value, grpc.Call)
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert backend.calls == []


def test_requests_for_services_only_are_still_typed_for_services() -> None:
    assert dataset_pb2.ResolveDatasetRequest(id="d").id == "d"
    assert api_key_pb2.AuthenticateApiKeyRequest(key="k").key == "k"


def test_unknown_service_is_unimplemented(gateway: Gateway) -> None:
    with grpc.insecure_channel(gateway.address) as channel, pytest.raises(grpc.RpcError) as error:
        raw_call(channel, "/acme.v1.Nothing/Do")(b"", metadata=gateway.bearer())
    assert isinstance(error.value, grpc.Call)
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_buf_curl_lists_the_methods_of_all_services(gateway: Gateway) -> None:
    listed = buf_curl(gateway, "", "--list-methods", token=False)
    assert listed.returncode == 0, listed.stderr
    methods = listed.stdout.split()
    assert "chalkandduster.registry.v1.RegistryService/CreateDataset" in methods
    assert "chalkandduster.quality.v1.QualityService/TriggerDataset" in methods


def test_buf_curl_calls_a_method(gateway: Gateway, backend: Backend) -> None:
    backend.on("GetRun", lambda request, _: run_pb2.Run(id=request.id, state=run_pb2.Run.SUCCEEDED, verdict=run_pb2.Run.FAIL))
    called = buf_curl(gateway, "/chalkandduster.quality.v1.QualityService/GetRun", "--data", '{"id": "r1"}')
    assert called.returncode == 0, called.stderr
    assert json.loads(called.stdout) == {"id": "r1", "state": "SUCCEEDED", "verdict": "FAIL"}


def test_buf_curl_shows_a_refusal(gateway: Gateway) -> None:
    refused = buf_curl(gateway, "/chalkandduster.quality.v1.QualityService/GetRun", "--data", "{}", token=False)
    assert refused.returncode != 0
    assert json.loads(refused.stderr)["code"] == "unauthenticated"

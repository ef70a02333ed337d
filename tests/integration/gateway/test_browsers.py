"""What browsers need: CORS, grpc-web, the docs page."""

from __future__ import annotations

import base64
import re
import struct

import httpx
import pytest

from chalkandduster.quality.v1 import run_pb2
from chalkandduster.registry.v1 import tenant_pb2
from tests.integration.gateway.harness import APP_ORIGIN, Backend, Gateway

GET_TENANT = "/chalkandduster.registry.v1.RegistryService/GetTenant"
WATCH_RUN = "/chalkandduster.quality.v1.QualityService/WatchRun"


def preflight(client: httpx.Client, origin: str, path: str = "/api/v1/tenants") -> httpx.Response:
    headers = {"origin": origin, "access-control-request-method": "PATCH", "access-control-request-headers": "authorization,x-tenant-id"}
    return client.options(path, headers=headers)


@pytest.mark.parametrize("path", ["/api/v1/tenants", GET_TENANT])
def test_configured_origin_may_call(gateway: Gateway, backend: Backend, path: str) -> None:
    with gateway.stranger() as client:
        answer = preflight(client, APP_ORIGIN, path)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == APP_ORIGIN
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert {"authorization", "x-tenant-id", "x-grpc-web"} <= set(answer.headers["access-control-allow-headers"].split(", "))
    assert "access-control-allow-credentials" not in answer.headers
    assert backend.calls == []


@pytest.mark.parametrize("origin", ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null"])
def test_other_origin_may_not(gateway: Gateway, backend: Backend, origin: str) -> None:
    with gateway.stranger() as client:
        assert "access-control-allow-origin" not in preflight(client, origin).headers
    assert backend.calls == []


def test_browser_can_read_answers_and_errors(gateway: Gateway, backend: Backend) -> None:
    with gateway.client() as client, gateway.stranger() as stranger:
        for answer in (
            client.get("/api/v1/tenants", headers={"origin": APP_ORIGIN}),
            stranger.get("/api/v1/tenants", headers={"origin": APP_ORIGIN}),
            client.post("/api/v1/tenants", content=b"{", headers={"origin": APP_ORIGIN}),
        ):
            assert answer.headers["access-control-allow-origin"] == APP_ORIGIN
            assert "x-request-id" in answer.headers["access-control-expose-headers"]
    assert len(backend.calls) == 1


def frames(body: bytes) -> list[tuple[int, bytes]]:
    """The frames of a grpc-web body: flag 0 is a message, 128 the trailers."""
    found = []
    while body:
        flag, length = struct.unpack(">BI", body[:5])
        found.append((flag, body[5 : 5 + length]))
        body = body[5 + length :]
    return found


def framed(message: bytes) -> bytes:
    return struct.pack(">BI", 0, len(message)) + message


def test_grpc_web_call_is_answered(gateway: Gateway, backend: Backend) -> None:
    backend.on("GetTenant", lambda request, _: tenant_pb2.Tenant(id=request.id, name="acme"))
    body = framed(tenant_pb2.GetTenantRequest(id="t1").SerializeToString())
    with gateway.client() as client:
        answer = client.post(GET_TENANT, content=body, headers={"content-type": "application/grpc-web+proto", "x-grpc-web": "1"})
    message, trailers = frames(answer.content)
    assert tenant_pb2.Tenant.FromString(message[1]).name == "acme"
    assert trailers[0] == 128
    assert b"grpc-status:0" in trailers[1].replace(b" ", b"")


def test_grpc_web_text_stream_is_answered(gateway: Gateway, backend: Backend) -> None:
    backend.on("WatchRun", lambda *_: iter([run_pb2.WatchRunResponse(done=False), run_pb2.WatchRunResponse(done=True)]))
    body = base64.b64encode(framed(run_pb2.WatchRunRequest(id="r1").SerializeToString()))
    with gateway.client() as client:
        answer = client.post(
            WATCH_RUN, content=body, headers={"content-type": "application/grpc-web-text", "accept": "application/grpc-web-text"}
        )
    parts = re.findall(rb"[A-Za-z0-9+/]+={0,2}", answer.content)
    messages = [content for flag, content in frames(b"".join(map(base64.b64decode, parts))) if flag == 0]
    assert [run_pb2.WatchRunResponse.FromString(message).done for message in messages] == [False, True]


def test_grpc_web_call_without_token_is_refused(gateway: Gateway, backend: Backend) -> None:
    with gateway.stranger() as client:
        answer = client.post(GET_TENANT, content=framed(b""), headers={"content-type": "application/grpc-web+proto"})
    assert answer.status_code == 401
    assert backend.calls == []


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_docs_page_and_all_that_it_loads_are_served(gateway: Gateway, path: str) -> None:
    with gateway.stranger() as client:
        page = client.get(path)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        loaded = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
        assert len(loaded) == 4
        types = {name: client.get(name).headers["content-type"] for name in loaded}
    assert types == {
        "/docs/swagger-ui.css": "text/css",
        "/docs/swagger-ui-bundle.js": "application/javascript",
        "/docs/start.js": "application/javascript",
        "/openapi.json": "application/json",
    }


def test_docs_page_may_load_from_its_own_origin_only(gateway: Gateway) -> None:
    with gateway.stranger() as client:
        policy = client.get("/docs").headers["content-security-policy"]
        script = client.get("/docs/swagger-ui-bundle.js", headers={"accept-encoding": "gzip"})
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert script.headers["content-encoding"] == "gzip"
    assert int(script.num_bytes_downloaded) < len(script.content) / 2


def test_openapi_document_is_open_to_everybody(gateway: Gateway) -> None:
    with gateway.stranger() as client:
        document = client.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert "/api/v1/datasets/{dataset_id}/trigger" in document["paths"]

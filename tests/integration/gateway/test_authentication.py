"""Who gets in, and what those see who do not."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta

import grpc
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chalkandduster.registry.v1 import registry_service_pb2_grpc, tenant_pb2
from tests.integration.gateway.harness import AUDIENCE, ISSUER, Backend, Gateway

CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "somebody", "roles": ["platform_admin"], "exp": 4_102_444_800}


def unsigned(_: Gateway) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, CLAIMS)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


def forged(gateway: Gateway) -> str:
    return jwt.encode(CLAIMS, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": gateway.issuer.key.kid})


def signed_with_the_public_key(gateway: Gateway) -> str:
    """HS256 with what everybody knows as the secret: what a confused verifier would accept."""
    secret = gateway.issuer.key.private.public_key().public_bytes_raw()
    return jwt.encode(CLAIMS, secret, algorithm="HS256", headers={"kid": gateway.issuer.key.kid})


def altered(gateway: Gateway) -> str:
    header, _, signature = gateway.issuer.mint("viewer").split(".")
    return f"{header}.{base64.urlsafe_b64encode(json.dumps(CLAIMS).encode()).rstrip(b'=').decode()}.{signature}"


def expired(gateway: Gateway) -> str:
    return gateway.issuer.mint("viewer", lifetime=timedelta(seconds=-10))


def everlasting(gateway: Gateway) -> str:
    return gateway.issuer.key.sign({name: value for name, value in CLAIMS.items() if name != "exp"})


def foreign_audience(gateway: Gateway) -> str:
    return gateway.issuer.mint("viewer", audience="another-api")


def foreign_issuer(gateway: Gateway) -> str:
    return gateway.issuer.mint("viewer", issuer="https://evil.example")


BAD_TOKENS = [unsigned, forged, signed_with_the_public_key, altered, expired, everlasting, foreign_audience, foreign_issuer]


def assert_refused(answer: httpx.Response) -> None:
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body["code"] == 16
    assert body["message"]
    assert body["details"] == [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "UNAUTHENTICATED", "domain": "chalkandduster"}
    ]


def test_call_without_token_is_refused_with_a_hint(gateway: Gateway, backend: Backend) -> None:
    with gateway.stranger() as client:
        answer = client.get("/api/v1/tenants")
    assert_refused(answer)
    assert "authorization: Bearer" in answer.json()["message"]
    assert backend.calls == []


@pytest.mark.parametrize("make_token", BAD_TOKENS, ids=lambda make: make.__name__)
def test_bad_token_is_refused_over_rest(gateway: Gateway, backend: Backend, make_token: Callable[[Gateway], str]) -> None:
    with gateway.stranger() as client:
        answer = client.get("/api/v1/tenants", headers={"authorization": f"Bearer {make_token(gateway)}"})
    assert_refused(answer)
    assert backend.calls == []


@pytest.mark.parametrize("make_token", BAD_TOKENS, ids=lambda make: make.__name__)
def test_bad_token_is_refused_over_grpc(gateway: Gateway, backend: Backend, make_token: Callable[[Gateway], str]) -> None:
    with grpc.insecure_channel(gateway.address) as channel:
        stub = registry_service_pb2_grpc.RegistryServiceStub(channel)
        with pytest.raises(grpc.RpcError) as error:
            stub.ListTenants(tenant_pb2.ListTenantsRequest(), metadata=(("authorization", f"Bearer {make_token(gateway)}"),))
    assert isinstance(error.value, grpc.Call)
    assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert backend.calls == []


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer nonsense", "Basic dXNlcjpwYXNz", "bearer a.b.c", ""])
def test_malformed_authorization_is_refused(gateway: Gateway, backend: Backend, authorization: str) -> None:
    with gateway.stranger() as client:
        assert_refused(client.get("/api/v1/tenants", headers={"authorization": authorization}))
    assert backend.calls == []


def test_token_in_the_query_string_does_not_count(gateway: Gateway, backend: Backend) -> None:
    token = gateway.issuer.mint("viewer")
    with gateway.stranger() as client:
        answer = client.get("/chalkandduster.registry.v1.RegistryService/ListTenants", params={"access_token": token})
    assert answer.status_code in (401, 404)
    assert backend.calls == []


def test_good_token_reaches_the_service_unchanged(gateway: Gateway, backend: Backend) -> None:
    with gateway.client() as client:
        assert client.get("/api/v1/tenants").status_code == 200
        assert backend.calls[0].metadata["authorization"] == client.headers["authorization"]


def test_api_key_alone_is_left_to_the_service(gateway: Gateway, backend: Backend) -> None:
    with gateway.stranger() as client:
        assert client.get("/api/v1/tenants", headers={"x-api-key": "chk_1_secret"}).status_code == 200
    assert backend.calls[0].metadata["x-api-key"] == "chk_1_secret"


def test_api_key_does_not_excuse_a_bad_token(gateway: Gateway, backend: Backend) -> None:
    with gateway.stranger() as client:
        assert_refused(client.get("/api/v1/tenants", headers={"x-api-key": "chk_1", "authorization": f"Bearer {forged(gateway)}"}))
    assert backend.calls == []


def test_health_is_open_even_to_a_bad_token(gateway: Gateway, backend: Backend) -> None:
    with gateway.stranger() as client:
        assert client.get("/api/v1/health").status_code == 200
        assert client.get("/api/v1/health", headers={"authorization": "Bearer nonsense"}).status_code == 200
    assert [call.method for call in backend.calls] == ["GetHealth", "GetHealth"]

"""Keys, tokens and a running echo server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from chalkandduster.local.keys import SigningKey
from chalkandduster.local.tokens import AUDIENCE, ISSUER
from services.common.auth.principal import Principal, PrincipalKind
from services.common.auth.tokens import ServiceTokenSigner, TokenVerifier
from services.common.testing.servers import TestServer, running_server
from tests.integration.common import echo
from tests.support.tokens import TokenIssuer

TENANT = "0193f1c2-7e64-7000-8000-000000000001"
OTHER_TENANT = "0193f1c2-7e64-7000-8000-000000000002"
GOOD_KEY = "chk_good"


@dataclass(frozen=True)
class Keys:
    """The files of one service, and the tokens that they make good."""

    issuer: TokenIssuer
    service_jwks_file: Path
    service_key_file: Path

    def verifier(self) -> TokenVerifier:
        return TokenVerifier(self.issuer.jwks_file, ISSUER, AUDIENCE, self.service_jwks_file)

    def signer(self, service: str = "quality") -> ServiceTokenSigner:
        return ServiceTokenSigner(self.service_key_file, service)

    def bearer(self, role: str = "tenant_admin", tenant_id: str | None = TENANT) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.issuer.mint(role, tenant_id)}"),)


class OneKey:
    """An authenticator that knows one key."""

    async def authenticate(self, key: str) -> Principal | None:
        return Principal("api_key:1", PrincipalKind.API_KEY, frozenset({"viewer"}), TENANT) if key == GOOD_KEY else None


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    service = SigningKey.generate()
    jwks, pem = tmp_path / "service-jwks.json", tmp_path / "service-key.pem"
    jwks.write_text(json.dumps(service.jwks()))
    pem.write_bytes(service.pem())
    return Keys(TokenIssuer.create(tmp_path), jwks, pem)


@pytest.fixture
async def server(keys: Keys) -> AsyncIterator[TestServer]:
    async with running_server({echo.SERVICE: echo.add_echo()}, keys.verifier(), api_keys=OneKey()) as running:
        yield running


@pytest.fixture
async def channel(server: TestServer) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(server.address) as opened:
        yield opened


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> echo.EchoStub:
    return echo.EchoStub(channel)

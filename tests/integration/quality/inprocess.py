"""The service inside the test's own process, with an engine that the test holds in its hands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from opentelemetry.metrics import get_meter

from chalkandduster.local import tokens as local_tokens
from chalkandduster.quality.v1.quality_service_pb2_grpc import QualityServiceStub, add_QualityServiceServicer_to_server
from services.common.auth.tokens import ServiceTokenSigner, TokenVerifier
from services.common.client import ServiceClient, open_channel
from services.common.testing.servers import TestServer, running_server
from services.quality.main import SERVICE, Parts, open_database
from services.quality.metrics import RunMetrics
from services.quality.rpc.errors import CATALOG
from services.quality.rpc.servicer import QualityServicer
from services.quality.settings import QualitySettings
from tests.integration.quality.platform import Caller, Platform
from tests.unit.quality.fakes import FakeEngine


@dataclass(frozen=True)
class Quality:
    """A served instance."""

    parts: Parts
    engine: FakeEngine
    server: TestServer
    platform: Platform
    signer: ServiceTokenSigner
    channel: grpc.aio.Channel

    def user(self, tenant_id: str, role: str = "tenant_admin") -> Caller:
        return self._caller(self.platform.token(tenant_id, role))

    def service(self, tenant_id: str) -> Caller:
        return self._caller(self.signer.token(tenant_id))

    def _caller(self, token: str) -> Caller:
        stub: Any = QualityServiceStub(self.channel)
        return Caller(stub, (("authorization", f"Bearer {token}"),))


@asynccontextmanager
async def running_quality(platform: Platform, *, workers: int = 1, **settings: Any) -> AsyncIterator[Quality]:
    """Serves inside the block; with `workers` places, and everything that the calls themselves need."""
    engine = FakeEngine()
    async with AsyncExitStack() as stack:
        signer = ServiceTokenSigner(platform.directory / "service.pem", "quality")
        client = ServiceClient("registry", open_channel(platform.registry_address), signer)
        stack.push_async_callback(client.channel.close)
        ours = _settings(platform, workers=workers, **settings)
        parts = Parts(ours, await open_database(ours, stack), client, engine)
        verifier = TokenVerifier(ours.jwt_jwks_file, ours.jwt_issuer, ours.jwt_audience, ours.service_jwks_file)
        servicers = {SERVICE: partial(add_QualityServiceServicer_to_server, QualityServicer(parts.use_cases()))}
        server = await stack.enter_async_context(running_server(servicers, verifier, catalog=CATALOG))
        background = [asyncio.create_task(parts.events.run())]
        if workers:
            background.append(asyncio.create_task(parts.work(RunMetrics(get_meter("test"))).run()))
        stack.push_async_callback(_end, background)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.address))
        yield Quality(parts, engine, server, platform, signer, channel)


def _settings(platform: Platform, **settings: Any) -> QualitySettings:
    values: dict[str, Any] = {
        "database_url": platform.database.app_url("quality"),
        "jwt_issuer": local_tokens.ISSUER,
        "jwt_audience": local_tokens.AUDIENCE,
        "jwt_jwks_file": platform.issuer.jwks_file,
        "service_jwks_file": platform.directory / "service.jwks.json",
        "service_key_file": platform.directory / "service.pem",
        "registry_address": platform.registry_address,
        "egress_allow_loopback": True,
        "shutdown_grace_seconds": 1,
    }
    return QualitySettings(**{**values, **settings})


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

"""Calls to other services: what they carry, how long they wait, and what their errors become."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from chalkandduster.registry.v1 import api_key_pb2, audit_pb2
from chalkandduster.registry.v1.tenant_pb2 import GetTenantRequest, Tenant
from services.common.audit import AuditEvent, Outcome
from services.common.auth.principal import Principal, PrincipalKind
from services.common.client import ServiceClient, open_channel
from services.common.context import CallContext, current_call, serving
from services.common.errors import DependencyUnavailable, DomainError, FieldViolation, InvalidRequest, NameTaken, QuotaExceeded
from services.common.registry_calls import RegistryApiKeys, RegistryAuditTrail
from services.common.rpc_errors import COMMON_CATALOG, ErrorSpec
from services.common.testing.servers import running_server
from tests.integration.common import echo
from tests.integration.common.conftest import TENANT, Keys

REGISTRY = "chalkandduster.registry.v1.RegistryService"
REQUEST = GetTenantRequest(id=TENANT)


@asynccontextmanager
async def client_of(keys: Keys, behaviour: echo.Behaviour = echo.echo) -> AsyncIterator[tuple[ServiceClient, echo.EchoStub]]:
    async with (
        running_server({echo.SERVICE: echo.add_echo(behaviour)}, keys.verifier()) as running,
        open_channel(running.address) as channel,
    ):
        client = ServiceClient("echo", channel, keys.signer())
        yield client, echo.EchoStub(channel)


async def test_a_call_acts_as_the_service_in_the_tenant_that_it_is_for(keys: Keys) -> None:
    async with client_of(keys) as (client, stub):
        answer: Tenant = await client.call(stub.Reveal, REQUEST, tenant_id=TENANT)
    assert (answer.name, answer.display_name) == (TENANT, "service:quality")


async def test_the_ids_of_our_callers_call_go_on(keys: Keys) -> None:
    seen: list[CallContext] = []

    async def look(request: GetTenantRequest) -> Tenant:
        seen.append(current_call())
        return Tenant()

    async with client_of(keys, look) as (client, stub):
        with serving(CallContext(method="/a.B/C", request_id="call-5", trace_id="ab" * 16)):
            await client.call(stub.Reveal, REQUEST, tenant_id=TENANT)
    assert (seen[0].request_id, seen[0].trace_id) == ("call-5", "ab" * 16)


async def test_no_call_waits_longer_than_our_own_caller_does(keys: Keys) -> None:
    seen: list[float | None] = []

    async def look(request: GetTenantRequest) -> Tenant:
        seen.append(current_call().remaining_seconds())
        return Tenant()

    async with client_of(keys, look) as (client, stub):
        await client.call(stub.Reveal, REQUEST, tenant_id=TENANT, timeout_seconds=30)
        with serving(CallContext(method="/a.B/C", request_id="r", deadline=time.monotonic() + 3)):
            await client.call(stub.Reveal, REQUEST, tenant_id=TENANT, timeout_seconds=30)
            await client.call(stub.Reveal, REQUEST, tenant_id=TENANT, timeout_seconds=1)
    assert [round(left or 0) for left in seen] == [30, 3, 1]  # gRPC rounds what it sends


async def test_a_service_that_does_not_answer_in_time_is_unavailable(keys: Keys) -> None:
    cancelled = asyncio.Event()

    async def hang(request: GetTenantRequest) -> Tenant:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()
        return Tenant()

    async with client_of(keys, hang) as (client, stub):
        with pytest.raises(DependencyUnavailable) as caught:
            await client.call(stub.Reveal, REQUEST, tenant_id=TENANT, timeout_seconds=0.2)
        async with asyncio.timeout(10):
            await cancelled.wait()
    assert caught.value.metadata == {"service": "echo"}


async def test_a_caller_who_gave_up_is_not_worked_for(keys: Keys) -> None:
    async with client_of(keys) as (client, stub):
        with serving(CallContext(method="/a.B/C", request_id="r", deadline=time.monotonic() - 1)), pytest.raises(DependencyUnavailable):
            await client.call(stub.Reveal, REQUEST, tenant_id=TENANT)


async def test_a_service_that_is_not_there_is_unavailable(keys: Keys, free_port: Callable[[], int]) -> None:
    async with open_channel(f"127.0.0.1:{free_port()}") as channel:
        with pytest.raises(DependencyUnavailable):
            await ServiceClient("echo", channel, keys.signer()).call(echo.EchoStub(channel).Reveal, REQUEST, timeout_seconds=2)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("hunter2"), NameTaken(name="orders"), InvalidRequest([FieldViolation("id", "must be short")])],
    ids=["unforeseen", "not in the table", "not in the table either"],
)
async def test_what_the_caller_cannot_act_on_is_one_error(keys: Keys, error: Exception) -> None:
    async def fail(request: GetTenantRequest) -> Tenant:
        raise error

    async with client_of(keys, fail) as (client, stub):
        with pytest.raises(DependencyUnavailable) as caught:
            await client.call(stub.Reveal, REQUEST, tenant_id=TENANT)
    assert caught.value.message == "A part of the platform does not answer; try again later."


async def test_a_reason_in_the_table_becomes_the_error_that_it_stands_for(keys: Keys) -> None:
    async def fail(request: GetTenantRequest) -> Tenant:
        raise InvalidRequest([FieldViolation("checks", "line 3: unknown check", "UNKNOWN")], kind="checks")

    async with client_of(keys, fail) as (client, stub):
        with pytest.raises(QuotaExceeded) as caught:
            await client.call(
                stub.Reveal,
                REQUEST,
                tenant_id=TENANT,
                errors={"INVALID_REQUEST": lambda remote: QuotaExceeded(remote.violations[0].description, quota=remote.metadata["kind"])},
            )
    assert (caught.value.message, caught.value.metadata) == ("line 3: unknown check", {"quota": "checks"})


class ApiKeyUnknown(DomainError):
    """No such key."""


class Registry:
    """The two RPCs that the kit calls."""

    def __init__(self) -> None:
        self.events: list[audit_pb2.TenantAuditEvent] = []

    async def authenticate(self, request: api_key_pb2.AuthenticateApiKeyRequest, context: object) -> api_key_pb2.AuthenticateApiKeyResponse:
        if request.key == "chk_broken":
            raise RuntimeError("broken")
        if request.key != "chk_good":
            raise ApiKeyUnknown
        return api_key_pb2.AuthenticateApiKeyResponse(api_key_id="7", tenant_id=TENANT, role="editor")

    async def record(self, request: audit_pb2.RecordAuditEventsRequest, context: object) -> audit_pb2.RecordAuditEventsResponse:
        self.events.extend(request.events)
        return audit_pb2.RecordAuditEventsResponse()

    def add_to(self, server: grpc.aio.Server) -> None:
        handlers: dict[str, Any] = {
            name: grpc.unary_unary_rpc_method_handler(
                handler,
                request_deserializer=request.FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
            for name, handler, request in (
                ("AuthenticateApiKey", self.authenticate, api_key_pb2.AuthenticateApiKeyRequest),
                ("RecordAuditEvents", self.record, audit_pb2.RecordAuditEventsRequest),
            )
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(REGISTRY, handlers),))


@pytest.fixture
async def registry(keys: Keys) -> AsyncIterator[tuple[Registry, ServiceClient]]:
    servicer = Registry()
    catalog = {**COMMON_CATALOG, ApiKeyUnknown: ErrorSpec(grpc.StatusCode.NOT_FOUND, "API_KEY_NOT_FOUND")}
    async with (
        running_server({REGISTRY: servicer.add_to}, keys.verifier(), catalog=catalog) as running,
        open_channel(running.address) as channel,
    ):
        yield servicer, ServiceClient("registry", channel, keys.signer())


async def test_the_registry_says_whom_an_api_key_stands_for(registry: tuple[Registry, ServiceClient]) -> None:
    authenticator = RegistryApiKeys(registry[1])
    assert await authenticator.authenticate("chk_good") == Principal("api_key:7", PrincipalKind.API_KEY, frozenset({"editor"}), TENANT)
    assert await authenticator.authenticate("chk_unknown") is None
    assert await authenticator.authenticate("x" * 500) is None
    with pytest.raises(DependencyUnavailable):
        await authenticator.authenticate("chk_broken")


async def test_audit_events_arrive_at_the_registry_whole(registry: tuple[Registry, ServiceClient]) -> None:
    event = AuditEvent(
        "quality.CancelRun", "ann", Outcome.ALLOWED, TENANT, "run", "1", "203.0.113.9", "call-1", {"state": "RUNNING"}, {"n": 1}
    )
    platform = AuditEvent("quality.GetRun", "anonymous", Outcome.DENIED)
    await RegistryAuditTrail(registry[1]).send([event, platform])
    [first, second] = registry[0].events
    assert (first.tenant_id, first.event.id, first.event.actor, first.event.action) == (TENANT, event.id, "ann", "quality.CancelRun")
    assert (dict(first.event.before), dict(first.event.after)) == ({"state": "RUNNING"}, {"n": 1.0})
    assert first.event.create_time.ToDatetime(event.create_time.tzinfo) == event.create_time
    assert (second.tenant_id, second.event.HasField("before")) == ("", False)
    assert second.event.outcome == audit_pb2.AuditEvent.DENIED

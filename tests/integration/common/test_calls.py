"""What happens around a call, seen by a real client: who is let in, what is checked, and what errors say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from opentelemetry.instrumentation.grpc import aio_server_interceptor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chalkandduster.registry.v1.tenant_pb2 import GetTenantRequest, Tenant
from services.common.client import RemoteError, remote_error
from services.common.context import current_call
from services.common.errors import NameTaken, PermissionDenied
from services.common.testing.servers import TestServer, running_server
from tests.integration.common import echo
from tests.integration.common.conftest import GOOD_KEY, OTHER_TENANT, TENANT, Keys

REQUEST = GetTenantRequest(id=TENANT)
SHAPES = ["Unary", "ServerStream", "ClientStream", "BidiStream"]


async def requests(*messages: GetTenantRequest) -> AsyncIterator[GetTenantRequest]:
    for message in messages:
        yield message


async def send(stub: echo.EchoStub, method: str, *messages: GetTenantRequest, **options: Any) -> list[Tenant]:
    """The responses of a call of any shape."""
    call = getattr(stub, method)
    found = call(requests(*messages), **options) if method in ("ClientStream", "BidiStream") else call(messages[0], **options)
    return [answer async for answer in found] if method in ("ServerStream", "BidiStream") else [await found]


async def refused(stub: echo.EchoStub, method: str, *messages: GetTenantRequest, **options: Any) -> RemoteError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await send(stub, method, *(messages or (REQUEST,)), **options)
    return remote_error(caught.value)


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_call_of_each_shape_knows_its_caller_and_tenant(stub: echo.EchoStub, keys: Keys, shape: str) -> None:
    answers = await send(stub, shape, REQUEST, metadata=(*keys.bearer("viewer"), ("x-request-id", "call-7")))
    assert answers[-1] == Tenant(id=TENANT, name=TENANT, display_name="dev-viewer", etag="call-7")


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_call_of_each_shape_without_token_is_refused(stub: echo.EchoStub, shape: str) -> None:
    error = await refused(stub, shape)
    assert (error.code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_bad_request_of_each_shape_names_the_field_and_what_was_expected(stub: echo.EchoStub, keys: Keys, shape: str) -> None:
    error = await refused(stub, shape, GetTenantRequest(id="nonsense"), metadata=keys.bearer())
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert [(one.field, one.reason) for one in error.violations] == [("id", "STRING_UUID")]
    assert "UUID" in error.violations[0].description


async def test_a_later_message_of_a_stream_is_checked_too(stub: echo.EchoStub, keys: Keys) -> None:
    error = await refused(stub, "BidiStream", REQUEST, GetTenantRequest(id="nonsense"), metadata=keys.bearer())
    assert error.reason == "INVALID_REQUEST"


class Leaky(Exception):
    """Its text is what must not get out."""


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "raised",
    [
        Leaky("postgresql://user:hunter2@db/prod"),
        asyncpg.UndefinedTableError('relation "hunter2" does not exist'),
        KeyError("hunter2"),
        ExceptionGroup("hunter2", [ValueError("hunter2"), ValueError("hunter2")]),
        TimeoutError("hunter2"),
        NotImplementedError("hunter2"),
        StopAsyncIteration("hunter2"),
        grpc.aio.AioRpcError(grpc.StatusCode.NOT_FOUND, grpc.aio.Metadata(), grpc.aio.Metadata(), details="hunter2"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_nothing_from_inside_reaches_the_caller(keys: Keys, shape: str, raised: Exception, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(request: GetTenantRequest) -> Tenant:
        raise raised

    async with (
        running_server({echo.SERVICE: echo.add_echo(fail)}, keys.verifier()) as running,
        grpc.aio.insecure_channel(running.address) as ch,
    ):
        metadata = (*keys.bearer(), ("x-request-id", "call-8"))
        with caplog.at_level(logging.ERROR), pytest.raises(grpc.aio.AioRpcError) as caught:
            await send(echo.EchoStub(ch), shape, REQUEST, metadata=metadata)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert caught.value.details() == "internal error; request id call-8"
    assert "hunter2" not in str(caught.value.trailing_metadata()) + str(caught.value.initial_metadata()) + str(caught.value.details())
    assert remote_error(caught.value).reason == "INTERNAL"
    assert any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("shape", SHAPES)
async def test_an_error_of_ours_reaches_the_caller_whole(keys: Keys, shape: str) -> None:
    async def fail(request: GetTenantRequest) -> Tenant:
        raise NameTaken(name="orders „quoted“ \N{SNOWMAN}\n")

    async with (
        running_server({echo.SERVICE: echo.add_echo(fail)}, keys.verifier()) as running,
        grpc.aio.insecure_channel(running.address) as ch,
    ):
        error = await refused(echo.EchoStub(ch), shape, metadata=keys.bearer())
    assert (error.code, error.reason, error.metadata) == (
        grpc.StatusCode.ALREADY_EXISTS,
        "NAME_TAKEN",
        {"name": "orders „quoted“ \N{SNOWMAN}\n"},
    )


@pytest.mark.parametrize(
    ("role", "tenant", "method", "expected"),
    [
        ("viewer", TENANT, "Unary", "OK"),
        ("viewer", TENANT, "Manage", "PERMISSION_DENIED"),
        ("tenant_admin", TENANT, "Manage", "PERMISSION_DENIED"),
        ("platform_admin", None, "Manage", "OK"),
        ("platform_admin", None, "Look", "OK"),
        ("platform_admin", None, "Unary", "TENANT_REQUIRED"),
        ("platform_admin", None, "Reveal", "PERMISSION_DENIED"),
        ("tenant_admin", TENANT, "Reveal", "PERMISSION_DENIED"),
        ("service", TENANT, "Reveal", "UNAUTHENTICATED"),
        ("nobody", TENANT, "Unary", "PERMISSION_DENIED"),
    ],
)
async def test_each_role_may_do_what_the_option_says(
    stub: echo.EchoStub, keys: Keys, role: str, tenant: str | None, method: str, expected: str
) -> None:
    metadata = keys.bearer(role, tenant)
    found = "OK" if expected == "OK" and await send(stub, method, REQUEST, metadata=metadata) else None
    assert (found or (await refused(stub, method, metadata=metadata)).reason) == expected


async def test_a_denied_call_names_the_permission_and_is_an_audit_event(server: TestServer, stub: echo.EchoStub, keys: Keys) -> None:
    metadata = (*keys.bearer("viewer"), ("x-request-id", "call-9"), ("x-forwarded-for", "1.1.1.1, 203.0.113.9"))
    error = await refused(stub, "Manage", metadata=metadata)
    assert error.metadata == {"permission": "tenants.write"}
    [event] = server.audit.events
    assert (event.action, event.actor, event.tenant_id, event.outcome) == ("testing.Manage", "dev-viewer", TENANT, "DENIED")
    assert (event.request_id, event.remote_address) == ("call-9", "203.0.113.9")


async def test_a_call_without_token_is_an_audit_event_of_the_platform(server: TestServer, stub: echo.EchoStub) -> None:
    await refused(stub, "Unary")
    [event] = server.audit.events
    assert (event.actor, event.tenant_id, event.action) == ("anonymous", None, "testing.Unary")


async def test_a_flood_of_calls_without_token_does_not_flood_the_audit_trail(server: TestServer, stub: echo.EchoStub) -> None:
    await asyncio.gather(*(refused(stub, "Unary") for _ in range(200)))
    assert 0 < len(server.audit.events) < 200


async def test_a_refusal_by_a_use_case_is_an_audit_event_too(keys: Keys) -> None:
    async def fail(request: GetTenantRequest) -> Tenant:
        raise PermissionDenied("Not above your own role.")

    async with (
        running_server({echo.SERVICE: echo.add_echo(fail)}, keys.verifier()) as running,
        grpc.aio.insecure_channel(running.address) as ch,
    ):
        await refused(echo.EchoStub(ch), "Unary", metadata=keys.bearer())
        assert [event.actor for event in running.audit.events] == ["dev-tenant_admin"]


async def test_a_platform_admin_acts_in_the_tenant_that_it_names(stub: echo.EchoStub, keys: Keys) -> None:
    metadata = (*keys.bearer("platform_admin", None), ("x-tenant-id", OTHER_TENANT.upper()))
    assert (await send(stub, "Unary", REQUEST, metadata=metadata))[0].name == OTHER_TENANT


@pytest.mark.parametrize("role", ["tenant_admin", "editor", "viewer"])
async def test_nobody_else_acts_in_another_tenant(server: TestServer, stub: echo.EchoStub, keys: Keys, role: str) -> None:
    error = await refused(stub, "Unary", metadata=(*keys.bearer(role), ("x-tenant-id", OTHER_TENANT)))
    assert error.reason == "PERMISSION_DENIED"
    assert [event.tenant_id for event in server.audit.events] == [TENANT]


async def test_naming_ones_own_tenant_is_no_offence(stub: echo.EchoStub, keys: Keys) -> None:
    assert (await send(stub, "Unary", REQUEST, metadata=(*keys.bearer("viewer"), ("x-tenant-id", TENANT))))[0].name == TENANT


@pytest.mark.parametrize("named", ["acme", "' OR 1=1", f"{TENANT},{OTHER_TENANT}"])
async def test_a_tenant_that_is_no_uuid_is_a_bad_request(stub: echo.EchoStub, keys: Keys, named: str) -> None:
    error = await refused(stub, "Unary", metadata=(*keys.bearer("platform_admin", None), ("x-tenant-id", named)))
    assert [one.field for one in error.violations] == ["x-tenant-id"]


async def test_two_tenants_at_once_are_a_bad_request(stub: echo.EchoStub, keys: Keys) -> None:
    metadata = (*keys.bearer("platform_admin", None), ("x-tenant-id", TENANT), ("x-tenant-id", OTHER_TENANT))
    assert (await refused(stub, "Unary", metadata=metadata)).reason == "INVALID_REQUEST"


async def test_a_service_acts_in_the_tenant_of_its_token(stub: echo.EchoStub, keys: Keys) -> None:
    metadata = (("authorization", f"Bearer {keys.signer().token(TENANT)}"),)
    [answer] = await send(stub, "Reveal", REQUEST, metadata=metadata)
    assert (answer.name, answer.display_name) == (TENANT, "service:quality")
    assert (await refused(stub, "Reveal", metadata=(*metadata, ("x-tenant-id", OTHER_TENANT)))).reason == "PERMISSION_DENIED"
    assert (await refused(stub, "Reveal", metadata=(("authorization", f"Bearer {keys.signer().token()}"),))).reason == "TENANT_REQUIRED"


async def test_an_api_key_stands_for_its_tenant_and_role(stub: echo.EchoStub) -> None:
    [answer] = await send(stub, "Unary", REQUEST, metadata=(("x-api-key", GOOD_KEY),))
    assert (answer.name, answer.display_name) == (TENANT, "api_key:1")


@pytest.mark.parametrize(
    "metadata",
    [
        (("x-api-key", "chk_bad"),),
        (("x-api-key", ""),),
        (("x-api-key", "x" * 5000),),
        (("x-api-key", GOOD_KEY), ("x-api-key", GOOD_KEY)),
        (("authorization", "Bearer"),),
        (("authorization", "Bearer "),),
        (("authorization", "Basic YTpi"),),
        (("authorization", ""),),
    ],
)
async def test_credentials_that_are_none_are_refused(stub: echo.EchoStub, metadata: tuple[tuple[str, str], ...]) -> None:
    assert (await refused(stub, "Unary", metadata=metadata)).code is grpc.StatusCode.UNAUTHENTICATED


async def test_a_token_and_a_key_at_once_are_refused(stub: echo.EchoStub, keys: Keys) -> None:
    assert "not several" in (await refused(stub, "Unary", metadata=(*keys.bearer(), ("x-api-key", GOOD_KEY)))).message


async def test_an_open_call_needs_no_token_and_does_not_look_at_a_bad_one(stub: echo.EchoStub) -> None:
    assert (await send(stub, "Open", REQUEST))[0].id == TENANT
    assert (await send(stub, "Open", REQUEST, metadata=(("authorization", "Bearer nonsense"),)))[0].display_name == ""


async def test_who_may_not_call_learns_nothing_about_what_the_call_takes(stub: echo.EchoStub, keys: Keys) -> None:
    assert (await refused(stub, "Manage", GetTenantRequest(id="nonsense"), metadata=keys.bearer("viewer"))).reason == "PERMISSION_DENIED"


async def test_the_request_id_comes_back_with_success_and_with_failure(stub: echo.EchoStub, keys: Keys) -> None:
    call = stub.Unary(REQUEST, metadata=(*keys.bearer(), ("x-request-id", "call-1")))
    assert dict(await call.trailing_metadata())["x-request-id"] == "call-1"
    failed = stub.Unary(REQUEST, metadata=(("x-request-id", "call-2"),))
    assert dict(await failed.trailing_metadata())["x-request-id"] == "call-2"


@pytest.mark.parametrize("given", ["", "a b", "x" * 101, '"}{"level":"ERROR'])
async def test_a_request_id_that_would_spoil_a_log_line_is_replaced(stub: echo.EchoStub, keys: Keys, given: str) -> None:
    [answer] = await send(stub, "Unary", REQUEST, metadata=(*keys.bearer(), ("x-request-id", given)))
    assert len(answer.etag) == 36


async def test_an_unknown_method_is_unimplemented_and_not_counted(server: TestServer, channel: grpc.aio.Channel, keys: Keys) -> None:
    call: Any = channel.unary_unary(f"/{echo.SERVICE}/Invented")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"", metadata=keys.bearer())
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "Invented" not in server.metrics()


async def test_bytes_that_are_no_message_leak_nothing(server: TestServer, channel: grpc.aio.Channel, keys: Keys) -> None:
    call: Any = channel.unary_unary(f"/{echo.SERVICE}/Unary")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"\xff\xff\xff", metadata=keys.bearer())
    assert remote_error(caught.value).reason == "INVALID_REQUEST"
    assert caught.value.details() == "The request is not valid: its bytes are no message of the method's request type"


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_handler_that_answers_nothing_leaks_nothing(keys: Keys, shape: str) -> None:
    async def forget(request: GetTenantRequest) -> Any:
        return None

    async with (
        running_server({echo.SERVICE: echo.add_echo(forget)}, keys.verifier()) as running,
        grpc.aio.insecure_channel(running.address) as ch,
    ):
        error = await refused(echo.EchoStub(ch), shape, metadata=keys.bearer())
    assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")


async def test_calls_are_counted_by_method_and_code(server: TestServer, stub: echo.EchoStub, keys: Keys) -> None:
    await send(stub, "Unary", REQUEST, metadata=keys.bearer())
    await send(stub, "ServerStream", REQUEST, metadata=keys.bearer())
    await refused(stub, "Unary")
    shown = server.metrics()
    assert 'chalkandduster_api_requests_total{code="OK",method="testing.Unary"} 1.0' in shown
    assert 'chalkandduster_api_requests_total{code="OK",method="testing.ServerStream"} 1.0' in shown
    assert 'chalkandduster_api_requests_total{code="UNAUTHENTICATED",method="testing.Unary"} 1.0' in shown
    assert 'chalkandduster_api_request_duration_seconds_count{method="testing.Unary"} 2.0' in shown
    assert "otel_scope" not in shown


async def test_every_call_is_one_line_in_the_log_and_health_checks_are_silent(
    server: TestServer, stub: echo.EchoStub, channel: grpc.aio.Channel, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "services.common.interceptors"):
        await send(stub, "Unary", REQUEST, metadata=keys.bearer())
        await refused(stub, "Unary")
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        await asyncio.sleep(0)
    lines = [vars(record) for record in caplog.records if record.message == "Call finished."]
    assert [(line["method"], line["code"], line["subject"]) for line in lines] == [
        ("testing.Unary", "OK", "dev-tenant_admin"),
        ("testing.Unary", "UNAUTHENTICATED", "anonymous"),
    ]
    assert not any("Bearer" in str(line) for line in lines)


async def test_a_cancelled_call_ends_its_handler_and_is_logged_as_cancelled(keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def wait(request: GetTenantRequest) -> Tenant:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return Tenant()

    async with (
        running_server({echo.SERVICE: echo.add_echo(wait)}, keys.verifier()) as running,
        grpc.aio.insecure_channel(running.address) as ch,
    ):
        with caplog.at_level(logging.INFO, "services.common.interceptors"):
            call = echo.EchoStub(ch).Unary(REQUEST, metadata=keys.bearer())
            async with asyncio.timeout(10):
                await started.wait()
                call.cancel()
                await ended.wait()
                await asyncio.sleep(0.05)
        assert [vars(record)["code"] for record in caplog.records if record.message == "Call finished."] == ["CANCELLED"]


async def test_health_can_be_checked_and_watched_without_token(channel: grpc.aio.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    answer = await health.Check(health_pb2.HealthCheckRequest(service=echo.SERVICE))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    watch = health.Watch(health_pb2.HealthCheckRequest(service=""))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()


async def test_reflection_shows_every_service_of_the_api(channel: grpc.aio.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo(requests(reflection_pb2.ServerReflectionRequest(list_services="")))
    answer = await call.read()
    names = {service.name for service in answer.list_services_response.service}
    assert {"chalkandduster.registry.v1.RegistryService", "chalkandduster.quality.v1.QualityService"} <= names
    call.cancel()


async def test_a_traced_call_is_one_span_with_the_id_that_its_log_lines_carry(keys: Keys) -> None:
    exporter = InMemorySpanExporter()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    make: Any = aio_server_interceptor
    seen: list[str] = []

    async def look(request: GetTenantRequest) -> Tenant:
        seen.append(current_call().trace_id)
        raise NameTaken(name="orders")

    servicers = {echo.SERVICE: echo.add_echo(look)}
    traced = running_server(servicers, keys.verifier(), more_interceptors=[make(tracer_provider=tracers)])
    async with traced as running, grpc.aio.insecure_channel(running.address) as channel:
        for shape in SHAPES:
            assert (await refused(echo.EchoStub(channel), shape, metadata=keys.bearer())).reason == "NAME_TAKEN"
    spans = exporter.get_finished_spans()
    assert [f"{span.context.trace_id:032x}" for span in spans if span.context] == seen
    assert len(seen) == len(SHAPES)
    tracers.shutdown()

"""The audit trail, over gRPC: every change and every denied call, without secrets."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from grpc import StatusCode

from chalkandduster.registry.v1 import api_key_pb2, audit_pb2, connection_pb2, dataset_pb2, tenant_pb2
from services.common.ids import new_id
from tests.integration.registry.harness import GOOD_CHECKS, Metadata, Registry, refused

ALLOWED, DENIED = audit_pb2.AuditEvent.ALLOWED, audit_pb2.AuditEvent.DENIED


async def trail(registry: Registry, metadata: Metadata, **wanted: Any) -> list[audit_pb2.AuditEvent]:
    answer = await registry.stub.ListAuditEvents(audit_pb2.ListAuditEventsRequest(**wanted), metadata=metadata)
    return list(answer.audit_events)


async def test_each_change_is_an_event_with_what_changed(registry: Registry) -> None:
    tenant_id = await registry.tenant()
    admin = registry.as_user("tenant_admin", tenant_id, subject="ann@example.com")
    connection = await registry.connection(admin)
    dataset = await registry.dataset(admin, connection.id, owner="ann")
    patch = dataset_pb2.UpdateDatasetRequest(dataset=dataset_pb2.Dataset(id=dataset.id, owner="bob", checks_yaml=GOOD_CHECKS))
    await registry.stub.UpdateDataset(patch, metadata=(*admin, ("x-request-id", "my-request-1")))
    await registry.stub.DeleteDataset(dataset_pb2.DeleteDatasetRequest(id=dataset.id), metadata=admin)

    events = await trail(registry, admin)
    assert [event.action for event in events] == [
        "registry.DeleteDataset",
        "registry.UpdateDataset",
        "registry.CreateDataset",
        "registry.CreateConnection",
        "registry.CreateTenant",
    ]
    deleted, changed, created = events[:3]
    assert (changed.actor, changed.resource_type, changed.resource_id, changed.outcome) == (
        "ann@example.com",
        "dataset",
        dataset.id,
        ALLOWED,
    )
    assert changed.request_id == "my-request-1"
    assert MessageToDict(changed.before) == {"owner": "ann", "checks_yaml": "", "check_count": 0}
    assert MessageToDict(changed.after) == {"owner": "bob", "checks_yaml": GOOD_CHECKS, "check_count": 2}
    assert (created.HasField("before"), created.after["name"]) == (False, "customers")
    assert (deleted.HasField("after"), deleted.before["owner"]) == (False, "bob")


async def test_change_that_fails_is_no_event(registry: Registry) -> None:
    tenant_id = await registry.tenant()
    admin = registry.as_user("tenant_admin", tenant_id)
    await registry.connection(admin)
    await refused(registry.connection(admin))
    assert len(await trail(registry, admin, action="registry.CreateConnection")) == 1


async def test_denied_calls_are_events_of_the_callers_tenant(registry: Registry) -> None:
    tenant_id = await registry.tenant()
    admin = registry.as_user("tenant_admin", tenant_id)
    viewer = registry.as_user("viewer", tenant_id, subject="eve")
    await refused(registry.connection(viewer))
    events = await trail(registry, admin, outcome=DENIED)
    for _ in range(200):
        if events:
            break
        await asyncio.sleep(0.02)
        events = await trail(registry, admin, outcome=DENIED)
    assert [(event.actor, event.action, event.HasField("after")) for event in events] == [("eve", "registry.CreateConnection", False)]


async def test_calls_without_a_token_are_kept_and_no_tenant_sees_them(registry: Registry) -> None:
    admin = registry.as_user("tenant_admin", await registry.tenant())
    error = await refused(registry.stub.ListDatasets(dataset_pb2.ListDatasetsRequest()))
    assert (error.code, error.reason) == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    query = "SELECT actor, action FROM registry.audit_events WHERE outcome = 'DENIED' AND tenant_id IS NULL"
    rows = await registry.rows(query)
    for _ in range(200):
        if rows:
            break
        await asyncio.sleep(0.02)
        rows = await registry.rows(query)
    assert rows == [{"actor": "anonymous", "action": "registry.ListDatasets"}]
    assert await trail(registry, admin, outcome=DENIED) == []


async def test_long_texts_are_cut_in_the_trail(registry: Registry) -> None:
    admin = registry.as_user("tenant_admin", await registry.tenant())
    connection = await registry.connection(admin)
    await registry.dataset(admin, connection.id, checks_yaml=GOOD_CHECKS + "#" * 100_000)
    (event,) = await trail(registry, admin, action="registry.CreateDataset")
    text = str(event.after["checks_yaml"])
    assert len(text) < 2100
    assert f"({len(GOOD_CHECKS) + 100_000} characters, sha256 " in text


async def test_filters_combine_and_page(registry: Registry) -> None:
    admin = registry.as_user("tenant_admin", await registry.tenant(), subject="ann")
    made = [await registry.connection(admin, f"c{number}") for number in range(3)]
    request = api_key_pb2.CreateApiKeyRequest(api_key=api_key_pb2.ApiKey(name="k", role="viewer"))
    await registry.stub.CreateApiKey(request, metadata=admin)
    events = await trail(registry, admin, actor="ann", action="registry.CreateConnection", outcome=ALLOWED)
    assert [event.resource_id for event in events] == [connection.id for connection in made[::-1]]
    assert [event.resource_id for event in await trail(registry, admin, resource_id=made[1].id)] == [made[1].id]
    between = await trail(registry, admin, from_time=events[1].create_time, to_time=events[0].create_time)
    assert [event.resource_id for event in between] == [made[1].id]

    first = await registry.stub.ListAuditEvents(audit_pb2.ListAuditEventsRequest(page_size=2, actor="ann"), metadata=admin)
    rest = audit_pb2.ListAuditEventsRequest(page_size=9, actor="ann", page_token=first.next_page_token)
    following = await registry.stub.ListAuditEvents(rest, metadata=admin)
    assert len({event.id for event in [*first.audit_events, *following.audit_events]}) == 4
    rest.actor = ""
    assert (await refused(registry.stub.ListAuditEvents(rest, metadata=admin))).reason == "INVALID_PAGE_TOKEN"


async def test_only_admins_read_the_trail(registry: Registry) -> None:
    tenant_id = await registry.tenant()
    for metadata in (registry.as_user("viewer", tenant_id), registry.as_user("editor", tenant_id), registry.as_service(tenant_id)):
        error = await refused(trail(registry, metadata))
        assert (error.code, error.metadata) == (StatusCode.PERMISSION_DENIED, {"permission": "audit.read"})
    assert len(await trail(registry, registry.as_platform(tenant_id), outcome=ALLOWED)) == 1


def event_of(**fields: Any) -> audit_pb2.AuditEvent:
    given: dict[str, Any] = {"id": new_id(), "actor": "bob", "action": "quality.CancelRun", "outcome": ALLOWED}
    return audit_pb2.AuditEvent(**(given | fields))


async def record(registry: Registry, *events: audit_pb2.TenantAuditEvent) -> audit_pb2.RecordAuditEventsResponse:
    request = audit_pb2.RecordAuditEventsRequest(events=events)
    return await registry.stub.RecordAuditEvents(request, metadata=registry.as_service())


async def test_events_of_other_services_are_stored_once(registry: Registry) -> None:
    tenant_id = await registry.tenant()
    after = Struct()
    after.update({"state": "CANCELLED", "attempts": 2})
    events = [audit_pb2.TenantAuditEvent(tenant_id=tenant_id, event=event_of(after=after)), audit_pb2.TenantAuditEvent(event=event_of())]
    await record(registry, *events)
    await record(registry, *events)
    found = await trail(registry, registry.as_platform(tenant_id), action="quality.CancelRun")
    assert [MessageToDict(event.after) for event in found] == [{"state": "CANCELLED", "attempts": 2}]
    assert len(await registry.rows("SELECT FROM registry.audit_events WHERE action = 'quality.CancelRun' AND tenant_id IS NULL")) == 1


async def test_bad_recorded_events_are_refused_with_the_field(registry: Registry) -> None:
    endless = Struct()
    endless.update({"x": float("inf")})
    for field, event in (
        ("events[0].event.id", event_of(id="1")),
        ("events[0].event.outcome", event_of(outcome=audit_pb2.AuditEvent.OUTCOME_UNSPECIFIED)),
        ("events[0].event.after", event_of(after=endless)),
    ):
        error = await refused(record(registry, audit_pb2.TenantAuditEvent(event=event)))
        assert [violation.field for violation in error.violations] == [field]


async def test_trail_of_a_deleted_tenant_is_still_read_by_platform_admins(registry: Registry) -> None:
    tenant_id = await registry.tenant()
    await registry.stub.DeleteTenant(tenant_pb2.DeleteTenantRequest(id=tenant_id), metadata=registry.as_platform())
    events = await trail(registry, registry.as_platform(tenant_id))
    assert [event.action for event in events] == ["registry.DeleteTenant", "registry.CreateTenant"]
    assert events[0].create_time.ToDatetime() - events[1].create_time.ToDatetime() >= timedelta(0)


async def test_secrets_are_shown_as_kind_and_version(registry: Registry) -> None:
    admin = registry.as_user("tenant_admin", await registry.tenant())
    made = await registry.connection(admin)
    patch = connection_pb2.Connection(id=made.id, postgres=connection_pb2.PostgresSettings(password="an0ther-one"))
    await registry.stub.UpdateConnection(connection_pb2.UpdateConnectionRequest(connection=patch), metadata=admin)
    (event,) = await trail(registry, admin, action="registry.UpdateConnection")
    assert MessageToDict(event.before)["postgres"]["secret"] == "password, version 1"
    assert MessageToDict(event.after)["postgres"]["secret"] == "password, version 2"

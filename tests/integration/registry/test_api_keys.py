"""API keys, over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode

from chalkandduster.registry.v1 import api_key_pb2, dataset_pb2
from tests.integration.registry.harness import Metadata, Registry, refused, running_registry
from tests.support.databases import Database


def in_time(delta: timedelta) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(datetime.now(UTC) + delta)
    return timestamp


async def create(registry: Registry, metadata: Metadata, **fields: Any) -> api_key_pb2.ApiKey:
    request = api_key_pb2.CreateApiKeyRequest(api_key=api_key_pb2.ApiKey(**({"name": "ci", "role": "editor"} | fields)))
    return await registry.stub.CreateApiKey(request, metadata=metadata)


async def authenticate(registry: Registry, key: str) -> api_key_pb2.AuthenticateApiKeyResponse:
    return await registry.stub.AuthenticateApiKey(api_key_pb2.AuthenticateApiKeyRequest(key=key), metadata=registry.as_service())


@pytest.fixture
async def admin(registry: Registry) -> Metadata:
    return registry.as_user("tenant_admin", await registry.tenant())


async def test_key_is_shown_once_and_only_its_hash_is_kept(registry: Registry, admin: Metadata) -> None:
    made = await create(registry, admin, name="ключ 🔑")
    assert made.key.startswith(f"chk_{made.id}_")
    listed = (await registry.stub.ListApiKeys(api_key_pb2.ListApiKeysRequest(), metadata=admin)).api_keys
    assert [(key.name, key.key) for key in listed] == [("ключ 🔑", "")]
    for table in ("api_keys", "audit_events"):
        assert made.key.rpartition("_")[2] not in str(await registry.rows(f"SELECT t::text FROM registry.{table} t"))


async def test_key_calls_in_its_role_and_tenant(registry: Registry, admin: Metadata) -> None:
    made = await create(registry, admin, role="viewer")
    with_key = (("x-api-key", made.key),)
    assert not (await registry.stub.ListDatasets(dataset_pb2.ListDatasetsRequest(), metadata=with_key)).datasets
    assert (await refused(create(registry, with_key))).code is StatusCode.PERMISSION_DENIED
    answer = await authenticate(registry, made.key)
    assert (answer.api_key_id, answer.role, answer.name) == (made.id, "viewer", "ci")
    denied = await registry.rows("SELECT actor FROM registry.audit_events WHERE outcome = 'DENIED'")
    for _ in range(100):
        if denied:
            break
        await asyncio.sleep(0.02)
        denied = await registry.rows("SELECT actor FROM registry.audit_events WHERE outcome = 'DENIED'")
    assert denied == [{"actor": f"api_key:{made.id}"}]


async def test_revoked_key_stops_at_once_and_revoking_twice_changes_nothing(registry: Registry, admin: Metadata) -> None:
    made = await create(registry, admin)
    revoke = api_key_pb2.RevokeApiKeyRequest(id=made.id)
    revoked = await registry.stub.RevokeApiKey(revoke, metadata=admin)
    assert await registry.stub.RevokeApiKey(revoke, metadata=admin) == revoked
    assert revoked.HasField("revoke_time")
    listing = registry.stub.ListDatasets(dataset_pb2.ListDatasetsRequest(), metadata=(("x-api-key", made.key),))
    assert (await refused(listing)).code is StatusCode.UNAUTHENTICATED
    assert (await create(registry, admin)).id != made.id
    assert len(await registry.rows("SELECT FROM registry.audit_events WHERE action = 'registry.RevokeApiKey'")) == 1


async def test_keys_that_are_no_good_are_not_told_apart(registry: Registry, admin: Metadata) -> None:
    made = await create(registry, admin, expire_time=in_time(timedelta(hours=1)))
    await registry.rows("UPDATE registry.api_keys SET expire_time = now() - interval '1 second' RETURNING id")
    unknown = made.key.replace(made.id, "0193ff00-0000-7000-8000-000000000000")
    wrong = made.key[:-1] + ("A" if made.key[-1] != "A" else "B")
    errors = [await refused(authenticate(registry, key)) for key in (made.key, unknown, wrong, "chk_", "x" * 200)]
    assert {(error.code, error.reason, error.message) for error in errors} == {
        (StatusCode.NOT_FOUND, "API_KEY_NOT_FOUND", "The API key is unknown, expired or revoked.")
    }


async def test_bad_keys_are_refused_with_the_field(registry: Registry, admin: Metadata) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        ("api_key.name", {"name": ""}),
        ("api_key.name", {"name": "  "}),
        ("api_key.name", {"name": "a" * 10_000}),
        ("api_key.name", {"name": "a\nb"}),
        ("api_key.role", {"role": "platform_admin"}),
        ("api_key.role", {"role": "service"}),
        ("api_key.role", {"role": ""}),
        ("api_key.expire_time", {"expire_time": in_time(-timedelta(seconds=1))}),
        ("api_key.expire_time", {"expire_time": Timestamp(seconds=10**15)}),
    ]
    for field, fields in cases:
        error = await refused(create(registry, admin, **fields))
        assert error.code is StatusCode.INVALID_ARGUMENT, fields
        assert field in [violation.field for violation in error.violations]
    await create(registry, admin)
    assert (await refused(create(registry, admin))).reason == "NAME_TAKEN"


async def test_only_admins_handle_keys_and_only_services_authenticate_them(registry: Registry, admin: Metadata) -> None:
    made = await create(registry, admin)
    viewer = registry.as_user("viewer", await registry.tenant("other"))
    for call in (
        create(registry, viewer),
        registry.stub.ListApiKeys(api_key_pb2.ListApiKeysRequest(), metadata=viewer),
        registry.stub.AuthenticateApiKey(api_key_pb2.AuthenticateApiKeyRequest(key=made.key), metadata=admin),
        registry.stub.AuthenticateApiKey(api_key_pb2.AuthenticateApiKeyRequest(key=made.key), metadata=registry.as_platform()),
    ):
        assert (await refused(call)).code is StatusCode.PERMISSION_DENIED


async def test_last_use_is_stored_to_the_minute_and_not_with_each_call(
    registry_database: Database, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    async with running_registry(registry_database, tmp_path, free_port) as registry:
        made = await create(registry, registry.as_user("tenant_admin", await registry.tenant()))
        for _ in range(3):
            await authenticate(registry, made.key)
        assert await registry.rows("SELECT last_use_time FROM registry.api_keys") == [{"last_use_time": None}]
    # What was not yet stored is stored when the service stops.
    (row,) = await registry.rows("SELECT last_use_time FROM registry.api_keys")
    assert (row["last_use_time"].second, row["last_use_time"].microsecond) == (0, 0)
    assert abs(datetime.now(UTC) - row["last_use_time"]) < timedelta(minutes=3)

"""Connections, over gRPC: what is kept, what never comes out, and who may be dialled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from grpc import StatusCode

from chalkandduster.registry.v1 import audit_pb2, connection_pb2, dataset_pb2, registry_service_pb2
from tests.integration.registry.harness import (
    Metadata,
    Registry,
    postgres_connection,
    refused,
    running_registry,
    snowflake_connection,
)
from tests.support.databases import Database

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PKCS8 = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PKCS1 = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


@pytest.fixture
async def admin(registry: Registry) -> Metadata:
    """An admin of a tenant of one's own."""
    return registry.as_user("tenant_admin", await registry.tenant())


async def create(
    registry: Registry, metadata: Metadata, connection: connection_pb2.Connection, request_id: str = ""
) -> connection_pb2.Connection:
    request = connection_pb2.CreateConnectionRequest(connection=connection, request_id=request_id)
    return await registry.stub.CreateConnection(request, metadata=metadata)


async def update(registry: Registry, metadata: Metadata, connection: connection_pb2.Connection, *paths: str) -> connection_pb2.Connection:
    mask = FieldMask(paths=paths) if paths else None
    request = connection_pb2.UpdateConnectionRequest(connection=connection, update_mask=mask)
    return await registry.stub.UpdateConnection(request, metadata=metadata)


async def resolve(registry: Registry, connection_id: str) -> registry_service_pb2.ResolvedConnection:
    tenant_id = (await registry.rows("SELECT tenant_id FROM registry.connections WHERE id = $1", connection_id))[0]["tenant_id"]
    request = registry_service_pb2.ResolveConnectionRequest(id=connection_id)
    return (await registry.stub.ResolveConnection(request, metadata=registry.as_service(str(tenant_id)))).connection


def change(connection: connection_pb2.Connection, **fields: Any) -> connection_pb2.Connection:
    """A patch of the connection's settings."""
    if connection.HasField("snowflake"):
        return connection_pb2.Connection(id=connection.id, snowflake=connection_pb2.SnowflakeSettings(**fields))
    return connection_pb2.Connection(id=connection.id, postgres=connection_pb2.PostgresSettings(**fields))


@pytest.mark.parametrize("pem", [PKCS8, PKCS1], ids=["PKCS#8", "PKCS#1"])
async def test_secret_goes_in_and_comes_out_for_services_only(registry: Registry, admin: Metadata, pem: str) -> None:
    made = await create(registry, admin, snowflake_connection(private_key_pem=pem))
    read = await registry.stub.GetConnection(connection_pb2.GetConnectionRequest(id=made.id), metadata=admin)
    listed = await registry.stub.ListConnections(connection_pb2.ListConnectionsRequest(), metadata=admin)
    for answer in (made, read, listed.connections[0]):
        assert (answer.snowflake.private_key_pem, answer.snowflake.password) == ("", "")
        assert (answer.snowflake.has_private_key, answer.snowflake.has_password) == (True, False)
    opened = await resolve(registry, made.id)
    assert opened.connection.snowflake.private_key_pem == pem


async def test_secret_is_nowhere_in_the_database_or_the_trail(registry: Registry, admin: Metadata) -> None:
    secret = "s3cret-p4ss"
    made = await create(registry, admin, postgres_connection(password=secret), "r1")
    await update(registry, admin, change(made, password=secret + "-new"))
    for table in ("connections", "audit_events", "create_requests"):
        text = str(await registry.rows(f"SELECT t::text FROM registry.{table} t"))
        assert secret not in text
        assert secret.encode().hex() not in text
    trail = await registry.stub.ListAuditEvents(audit_pb2.ListAuditEventsRequest(resource_id=made.id), metadata=admin)
    shown = [MessageToDict(event.after)["postgres"]["secret"] for event in trail.audit_events]
    assert shown == ["password, version 2", "password, version 1"]


async def test_defaults_are_filled_in(registry: Registry, admin: Metadata) -> None:
    minimal = connection_pb2.PostgresSettings(host="127.0.0.1", database="shop", user="reader")
    made = await create(registry, admin, connection_pb2.Connection(name="pg", postgres=minimal))
    assert (made.postgres.port, made.postgres.schema, made.postgres.sslmode, made.postgres.has_password) == (
        5432,
        "public",
        "require",
        False,
    )
    snowflake = await create(registry, admin, snowflake_connection(protocol=""))
    assert (snowflake.snowflake.protocol, snowflake.snowflake.port) == ("https", 1)


BAD_SETTINGS = (
    (snowflake_connection(account=""), "connection.snowflake.account"),
    (snowflake_connection(user=""), "connection.snowflake.user"),
    (snowflake_connection(database=""), "connection.snowflake.database"),
    (snowflake_connection(schema=""), "connection.snowflake.schema"),
    (snowflake_connection(password=""), "connection.snowflake.password"),
    (snowflake_connection(password="line\n"), "connection.snowflake.password"),
    (snowflake_connection(private_key_pem="hello"), "connection.snowflake.private_key_pem"),
    (snowflake_connection(private_key_pem=PKCS8[:-40]), "connection.snowflake.private_key_pem"),
    (snowflake_connection(database='a"; DROP'), "connection.snowflake.database"),
    (snowflake_connection(role="a\nb"), "connection.snowflake.role"),
    (snowflake_connection(granted_schemas=["OK", "a.b.c"]), "connection.snowflake.granted_schemas[1]"),
    (snowflake_connection(granted_schemas=["."]), "connection.snowflake.granted_schemas[0]"),
    (snowflake_connection(host="127.0.0.1:80"), "connection.snowflake.host"),
    (snowflake_connection(host="a/../b"), "connection.snowflake.host"),
    (snowflake_connection(account="evil.com/"), "connection.snowflake.account"),
    (snowflake_connection(port=65536), "connection.snowflake.port"),
    (snowflake_connection(protocol="ftp"), "connection.snowflake.protocol"),
    (postgres_connection(host=""), "connection.postgres.host"),
    (postgres_connection(sslmode="allow"), "connection.postgres.sslmode"),
    (postgres_connection(granted_schemas=["a.b"]), "connection.postgres.granted_schemas[0]"),
    (postgres_connection(database="x\0y"), "connection.postgres.database"),
)


async def test_bad_settings_are_refused_with_the_field(registry: Registry, admin: Metadata) -> None:
    for connection, field in BAD_SETTINGS:
        error = await refused(create(registry, admin, connection))
        assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"), field
        assert field in [violation.field for violation in error.violations]


async def test_keys_that_snowflake_would_refuse_are_refused_on_save(registry: Registry, admin: Metadata) -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - that is the point
    encrypted = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass"))
    others = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for key in (short, Ed25519PrivateKey.generate())]
    for pem in (encrypted, *others):
        error = await refused(create(registry, admin, snowflake_connection(private_key_pem=pem.decode())))
        assert [violation.field for violation in error.violations] == ["connection.snowflake.private_key_pem"]
        assert "unencrypted RSA private key" in error.violations[0].description


async def test_bad_names_are_refused_by_rule(registry: Registry, admin: Metadata) -> None:
    made = await create(registry, admin, postgres_connection("good"))
    for name in ("", "a" * 101, "a" * 10_000, "🚀", "a'b", 'a"b', ".a", "a b", "../a"):
        error = await refused(create(registry, admin, postgres_connection(name)))
        assert error.code is StatusCode.INVALID_ARGUMENT
        assert "letters, digits, '_', '-' or '.'" in error.violations[0].description
        renamed = await refused(update(registry, admin, connection_pb2.Connection(id=made.id, name=name), "name"))
        assert [violation.field for violation in renamed.violations] == ["connection.name"]


async def test_connection_needs_settings_and_one_secret_only(registry: Registry, admin: Metadata) -> None:
    without = await refused(create(registry, admin, connection_pb2.Connection(name="wh")))
    assert "one kind of warehouse" in without.violations[0].description
    both = connection_pb2.Connection(name="wh", snowflake=connection_pb2.SnowflakeSettings(password="p", private_key_pem=PKCS8))
    assert "not both" in (await refused(create(registry, admin, both))).violations[0].description


SECRET_NEEDED: list[tuple[Any, dict[str, Any]]] = [
    (snowflake_connection, {"host": "localhost"}),
    (snowflake_connection, {"port": 81}),
    (snowflake_connection, {"account": "other"}),
    (snowflake_connection, {"user": "OTHER"}),
    (snowflake_connection, {"protocol": "https"}),
    (postgres_connection, {"host": "localhost"}),
    (postgres_connection, {"port": 5433}),
    (postgres_connection, {"user": "other"}),
]


async def test_secret_does_not_follow_to_another_place(registry: Registry, admin: Metadata) -> None:
    for number, (kind, fields) in enumerate(SECRET_NEEDED):
        made = await create(registry, admin, kind(f"c{number}"))
        error = await refused(update(registry, admin, change(made, **fields)))
        assert error.code is StatusCode.INVALID_ARGUMENT, fields
        assert [violation.field.rpartition(".")[2] for violation in error.violations] == ["password"]
        assert "again" in error.violations[0].description
        before, after = await resolve(registry, made.id), await update(registry, admin, change(made, **fields, password="new"))
        assert after.etag == "2"
        assert (await resolve(registry, made.id)).revision != before.revision


async def test_weaker_tls_asks_for_the_secret_again_and_stronger_does_not(registry: Registry, admin: Metadata) -> None:
    made = await create(registry, admin, postgres_connection(sslmode="require"))
    await update(registry, admin, change(made, sslmode="verify-full"))
    error = await refused(update(registry, admin, change(made, sslmode="disable")))
    assert [violation.field for violation in error.violations] == ["connection.postgres.password"]


async def test_emptied_host_asks_for_the_secret_again(registry: Registry, admin: Metadata) -> None:
    made = await create(registry, admin, snowflake_connection())
    error = await refused(update(registry, admin, change(made), "snowflake.host"))
    assert [violation.field for violation in error.violations] == ["connection.snowflake.password"]


async def test_revision_follows_what_a_login_depends_on(registry: Registry, admin: Metadata) -> None:
    made = await create(registry, admin, snowflake_connection())
    first = (await resolve(registry, made.id)).revision
    await update(registry, admin, connection_pb2.Connection(id=made.id, name="renamed", description="new"))
    await update(registry, admin, change(made, granted_schemas=["OTHER"]))
    assert (await resolve(registry, made.id)).revision == first
    revisions = {first}
    for fields in ({"role": "READER"}, {"warehouse": "WH"}, {"schema": "OTHER"}, {"password": "new"}):
        await update(registry, admin, change(made, **fields))
        revisions.add((await resolve(registry, made.id)).revision)
    assert len(revisions) == 5


async def test_key_takes_the_place_of_the_password(registry: Registry, admin: Metadata) -> None:
    made = await create(registry, admin, snowflake_connection())
    changed = await update(registry, admin, change(made, private_key_pem=PKCS8))
    assert (changed.snowflake.has_password, changed.snowflake.has_private_key) == (False, True)
    opened = await resolve(registry, made.id)
    assert (opened.connection.snowflake.password, opened.connection.snowflake.private_key_pem) == ("", PKCS8)


async def test_whole_settings_in_a_mask_keep_the_secret(registry: Registry, admin: Metadata) -> None:
    made = await create(registry, admin, snowflake_connection(role="READER"))
    wanted = snowflake_connection(password="", warehouse="WH").snowflake
    changed = await update(registry, admin, connection_pb2.Connection(id=made.id, snowflake=wanted), "snowflake")
    assert (changed.snowflake.role, changed.snowflake.warehouse, changed.snowflake.has_password) == ("", "WH", True)
    assert (await resolve(registry, made.id)).connection.snowflake.password == "s3cret-p4ss"


async def test_kind_cannot_change(registry: Registry, admin: Metadata) -> None:
    made = await create(registry, admin, snowflake_connection())
    for patch, paths in (
        (connection_pb2.Connection(id=made.id, postgres=postgres_connection().postgres), ()),
        (connection_pb2.Connection(id=made.id, postgres=postgres_connection().postgres), ("postgres",)),
        (connection_pb2.Connection(id=made.id), ("snowflake",)),
    ):
        error = await refused(update(registry, admin, patch, *paths))
        assert error.code is StatusCode.INVALID_ARGUMENT
        assert "kind" in error.violations[0].description


async def test_what_was_read_can_be_sent_back(registry: Registry, admin: Metadata) -> None:
    made = await create(registry, admin, snowflake_connection())
    made.description = "new"
    changed = await update(registry, admin, made)
    assert (changed.description, changed.etag) == ("new", "2")
    assert await update(registry, admin, changed) == changed


async def test_output_fields_cannot_be_named_in_a_mask(registry: Registry, admin: Metadata) -> None:
    made = await create(registry, admin, snowflake_connection())
    for path in ("snowflake.has_password", "id", "create_time", "tenant_id", "snowflake.nothing"):
        assert (await refused(update(registry, admin, change(made, role="R"), path))).reason == "INVALID_UPDATE_MASK"


async def test_two_editors_do_not_overwrite_each_other(registry: Registry, admin: Metadata) -> None:
    made = await create(registry, admin, postgres_connection())
    patches = [connection_pb2.Connection(id=made.id, description=str(number), etag=made.etag) for number in range(6)]
    answers = await asyncio.gather(*(update(registry, admin, patch) for patch in patches), return_exceptions=True)
    assert sum(isinstance(answer, connection_pb2.Connection) for answer in answers) == 1
    error = await refused(update(registry, admin, patches[0]))
    assert (error.code, error.reason) == (StatusCode.ABORTED, "ETAG_MISMATCH")


async def test_concurrent_changes_of_different_fields_all_survive(registry: Registry, admin: Metadata) -> None:
    made = await create(registry, admin, snowflake_connection())
    patches = [change(made, role="READER"), change(made, warehouse="WH")]
    await asyncio.gather(*(update(registry, admin, patch) for patch in patches))
    read = await registry.stub.GetConnection(connection_pb2.GetConnectionRequest(id=made.id), metadata=admin)
    assert (read.snowflake.role, read.snowflake.warehouse, read.etag) == ("READER", "WH", "3")


async def test_repeated_create_answers_the_first_and_knows_another_password(registry: Registry, admin: Metadata) -> None:
    first = await create(registry, admin, postgres_connection(), "r1")
    assert await create(registry, admin, postgres_connection(), "r1") == first
    for other in (postgres_connection("other"), postgres_connection(password="other")):
        assert (await refused(create(registry, admin, other, "r1"))).reason == "REQUEST_ID_REUSED"
    await registry.stub.DeleteConnection(connection_pb2.DeleteConnectionRequest(id=first.id), metadata=admin)
    assert (await refused(create(registry, admin, postgres_connection(), "r1"))).reason == "CONNECTION_NOT_FOUND"


async def test_repeated_creates_at_once_answer_the_same(registry: Registry, admin: Metadata) -> None:
    answers = await asyncio.gather(*(create(registry, admin, postgres_connection(), "r1") for _ in range(6)))
    assert len({answer.id for answer in answers}) == 1
    assert len(await registry.rows("SELECT FROM registry.connections")) == 1
    assert len(await registry.rows("SELECT FROM registry.audit_events WHERE action = 'registry.CreateConnection'")) == 1


async def test_connection_in_use_is_not_deleted_and_ten_users_are_named(registry: Registry, admin: Metadata) -> None:
    made = await create(registry, admin, postgres_connection())
    for number in range(12):
        await registry.dataset(admin, made.id, f"d{number:02}")
    with pytest.raises(Exception, match="in use") as caught:
        await registry.stub.DeleteConnection(connection_pb2.DeleteConnectionRequest(id=made.id), metadata=admin)
    assert _users(caught.value) == [f"used by dataset d{number:02}" for number in range(10)]
    assert len((await registry.stub.ListDatasets(dataset_pb2.ListDatasetsRequest(connection_id=made.id), metadata=admin)).datasets) == 12


def _users(error: Any) -> list[str]:
    from google.rpc import error_details_pb2, status_pb2

    status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    failure = error_details_pb2.PreconditionFailure()
    assert any(detail.Unpack(failure) for detail in status.details)
    return [violation.description for violation in failure.violations]


async def test_resolve_finds_by_name_and_is_closed_to_people(registry: Registry, admin: Metadata) -> None:
    tenant_id = await registry.tenant("second")
    own = registry.as_user("tenant_admin", tenant_id)
    made = await create(registry, own, postgres_connection("by-name"))
    request = registry_service_pb2.ResolveConnectionRequest(name="by-name")
    answer = await registry.stub.ResolveConnection(request, metadata=registry.as_service(tenant_id))
    assert (answer.connection.connection.id, answer.connection.connection.postgres.password) == (made.id, "s3cret-p4ss")
    assert answer.tenant_active
    assert (answer.quotas.max_concurrent_runs, answer.quotas.max_datasets, answer.quotas.max_checks_per_dataset) == (4, 10_000, 500)
    for metadata in (own, registry.as_platform(tenant_id)):
        assert (await refused(registry.stub.ResolveConnection(request, metadata=metadata))).code is StatusCode.PERMISSION_DENIED
    unscoped = await refused(registry.stub.ResolveConnection(request, metadata=registry.as_service()))
    assert unscoped.reason == "TENANT_REQUIRED"


@pytest.fixture
async def strict(registry_database: Database, tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[Registry]:
    """A registry whose egress policy allows neither loopback nor private addresses."""
    async with running_registry(registry_database, tmp_path, free_port, egress_allow_loopback=False) as running:
        yield running


async def test_hosts_that_the_policy_denies_are_refused_on_save(strict: Registry) -> None:
    admin = strict.as_user("tenant_admin", await strict.tenant())
    hosts = ("127.0.0.1", "localhost", "2130706433", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "0.0.0.0")  # noqa: S104 - a host to refuse
    for connection in (kind(host=host) for host in hosts for kind in (snowflake_connection, postgres_connection)):
        error = await refused(create(strict, admin, connection))
        assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "EGRESS_DENIED")
        assert [violation.field for violation in error.violations] == [f"connection.{connection.WhichOneof('kind')}.host"]
    assert await strict.rows("SELECT FROM registry.connections") == []


async def test_host_is_judged_again_when_it_is_used(strict: Registry) -> None:
    tenant_id = await strict.tenant()
    admin = strict.as_user("tenant_admin", tenant_id)
    made = await create(strict, admin, postgres_connection(host="no-such-host.invalid"))
    # As if the name had come to point here after it was saved.
    async with _superuser(strict) as connection:
        await connection.execute("UPDATE registry.connections SET settings = jsonb_set(settings, '{host}', '\"127.0.0.1\"')")
    tested = await strict.stub.TestConnection(connection_pb2.TestConnectionRequest(id=made.id), metadata=admin)
    assert (tested.ok, "egress policy" in tested.error) == (False, True)
    request = registry_service_pb2.ResolveConnectionRequest(id=made.id)
    error = await refused(strict.stub.ResolveConnection(request, metadata=strict.as_service(tenant_id)))
    assert error.reason == "EGRESS_DENIED"


def _superuser(registry: Registry) -> Any:
    from tests.integration.registry.test_storage import session

    return session(registry.database.url("postgres"))


async def test_the_body_of_a_rest_create_may_hold_the_request_id(registry: Registry, admin: Metadata) -> None:
    draft = postgres_connection("twice")
    with_id = postgres_connection("twice")
    with_id.request_id = "once-only"
    made = await create(registry, admin, with_id)
    assert not made.HasField("request_id")
    assert await create(registry, admin, with_id) == made
    assert await create(registry, admin, draft, "once-only") == made, "it is the same id, wherever it is written"
    other = postgres_connection("other")
    other.request_id = "once-only"
    assert (await refused(create(registry, admin, other))).reason == "REQUEST_ID_REUSED"
    with_id.id, with_id.description = made.id, "changed"
    with_id.ClearField("postgres")
    assert (await update(registry, admin, with_id)).description == "changed"

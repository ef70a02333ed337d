from __future__ import annotations

import pytest
from google.protobuf.message import Message

from chalkandduster.registry.v1.connection_pb2 import Connection, CreateConnectionRequest, PostgresSettings, SnowflakeSettings
from chalkandduster.registry.v1.connection_pb2 import TestConnectionResponse as ConnectionAnswer
from chalkandduster.registry.v1.dataset_pb2 import CreateDatasetRequest, Dataset
from chalkandduster.registry.v1.registry_service_pb2 import ResolveConnectionRequest
from chalkandduster.registry.v1.tenant_pb2 import CreateTenantRequest, GetTenantRequest, ListTenantsRequest, Tenant
from services.common.errors import InvalidRequest
from services.common.interceptors.validation import ValidationInterceptor

ID = "0193f1c2-7e64-7000-8000-000000000001"


def problems(request: Message) -> dict[str, str]:
    """Description by field; empty when the request is fine."""
    try:
        ValidationInterceptor().check(request)
    except InvalidRequest as error:
        return {violation.field: violation.description for violation in error.violations}
    return {}


def dataset(**changes: object) -> CreateDatasetRequest:
    good: dict[str, object] = {"name": "orders", "connection_id": ID, "table": "ORDERS"}
    return CreateDatasetRequest(dataset=Dataset(**{**good, **changes}))  # type: ignore[arg-type]


def test_a_good_request_passes() -> None:
    assert problems(dataset(tags=["gold"], variables={"day": "2026-11-23"})) == {}


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (GetTenantRequest(), ["id"]),
        (GetTenantRequest(id="nonsense"), ["id"]),
        (ListTenantsRequest(page_size=-1), ["page_size"]),
        (CreateTenantRequest(), ["tenant"]),
        (CreateTenantRequest(tenant=Tenant(name="")), ["tenant.name"]),
        (CreateTenantRequest(tenant=Tenant(name="x" * 10_000)), ["tenant.name"]),
        (CreateTenantRequest(tenant=Tenant(name="acme", display_name="\N{SNOWMAN}" * 201)), ["tenant.display_name"]),
        (CreateTenantRequest(tenant=Tenant(name="acme"), request_id="a b"), ["request_id"]),
        (dataset(name="o'rders"), ["dataset.name"]),
        (dataset(connection_id="", table=""), ["dataset.connection_id", "dataset.table"]),
        (ResolveConnectionRequest(), [""]),
        (dataset(tags=["a", "a"]), ["dataset.tags"]),
        (dataset(tags=["a", ""]), ["dataset.tags[1]"]),
        (dataset(variables={"a b": "1"}), ['dataset.variables["a b"]']),
        (CreateTenantRequest(tenant=Tenant(name="acme", state=99)), ["tenant.state"]),  # type: ignore[arg-type]
    ],
)
def test_a_bad_field_is_named_by_its_path(request_: Message, fields: list[str]) -> None:
    assert list(problems(request_)) == fields
    assert all(problems(request_).values())


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (dataset(description="a\0b"), "dataset.description"),
        (dataset(tags=["a", "b\0"]), "dataset.tags[1]"),
        (dataset(variables={"a": "\0"}), 'dataset.variables["a"]'),
        (
            CreateConnectionRequest(connection=Connection(name="c", postgres=PostgresSettings(host="h", password="\0"))),
            "connection.postgres.password",
        ),
    ],
)
def test_a_text_with_a_nul_is_named_too(request_: Message, field: str) -> None:
    assert problems(request_)[field] == "must not contain the character U+0000"


def test_a_zero_byte_that_is_no_text_is_fine() -> None:
    answer = ConnectionAnswer(latency_ms=1.0)
    assert b"\0" in answer.SerializeToString()
    assert problems(answer) == {}


def test_a_value_is_not_repeated_in_the_description() -> None:
    found = problems(
        CreateConnectionRequest(
            connection=Connection(name="c", snowflake=SnowflakeSettings(password="hunter2" * 500, private_key_pem="hunter2"))
        )
    )
    assert found
    assert "hunter2" not in str(found)

"""Datasets, over gRPC: checks are parsed before anything is saved."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode

from chalkandduster.quality.v1 import run_pb2
from chalkandduster.registry.v1 import connection_pb2, dataset_pb2, tenant_pb2
from tests.integration.registry.harness import GOOD_CHECKS, Metadata, Registry, refused, snowflake_connection


@pytest.fixture
async def tenant_id(registry: Registry) -> str:
    return await registry.tenant()


@pytest.fixture
def editor(registry: Registry, tenant_id: str) -> Metadata:
    return registry.as_user("editor", tenant_id)


@pytest.fixture
async def connection_id(registry: Registry, tenant_id: str) -> str:
    return (await registry.connection(registry.as_user("tenant_admin", tenant_id))).id


async def update(registry: Registry, metadata: Metadata, dataset_id: str, *paths: str, **fields: Any) -> dataset_pb2.Dataset:
    mask = FieldMask(paths=paths) if paths else None
    request = dataset_pb2.UpdateDatasetRequest(dataset=dataset_pb2.Dataset(id=dataset_id, **fields), update_mask=mask)
    return await registry.stub.UpdateDataset(request, metadata=metadata)


async def test_dataset_comes_back_as_it_was_written(registry: Registry, editor: Metadata, connection_id: str) -> None:
    fields: dict[str, Any] = {
        "checks_yaml": "# для людей 🚀\n" + GOOD_CHECKS,
        "drift_yaml": "volume:\n  band: 3\n",
        "description": "multi\nline 'quoted' \"text\" 🚀",
        "owner": "Дата-команда ☂",
        "tags": ["gold", "ü 🚀"],
        "variables": {"day": "it's; DROP TABLE x --"},
        "samples": dataset_pb2.SamplePolicy(limit=5, excluded_columns=["EMAIL"]),
    }
    made = await registry.dataset(editor, connection_id, **fields)
    read = await registry.stub.GetDataset(dataset_pb2.GetDatasetRequest(id=made.id), metadata=editor)
    assert read == made
    assert made.check_count == 2
    for name, value in fields.items():
        found = getattr(read, name)
        assert (dict(found) if name == "variables" else list(found) if name == "tags" else found) == value


async def test_problems_of_checks_are_violations_with_line_and_column(registry: Registry, editor: Metadata, connection_id: str) -> None:
    error = await refused(registry.dataset(editor, connection_id, checks_yaml="checks for t:\n  - bogus\n  - row_count > 0\n  - bogus\n"))
    assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_CHECKS")
    assert [(violation.field, violation.description) for violation in error.violations] == [
        ("dataset.checks_yaml", "line 2, column 5: expected a check, found bogus"),
        ("dataset.checks_yaml", "line 4, column 5: expected a check, found bogus"),
    ]
    assert await registry.rows("SELECT FROM registry.datasets") == []


async def test_text_without_a_check_is_refused_and_no_text_is_not(registry: Registry, editor: Metadata, connection_id: str) -> None:
    error = await refused(registry.dataset(editor, connection_id, checks_yaml="# nothing\n"))
    assert (error.reason, "at least one" in error.violations[0].description) == ("INVALID_CHECKS", True)
    assert (await registry.dataset(editor, connection_id)).check_count == 0
    assert registry.quality.fake.validated == ["# nothing\n"]


async def test_oversize_checks_are_refused_before_anybody_parses_them(registry: Registry, editor: Metadata, connection_id: str) -> None:
    for size in (256 * 1024 + 1, 1024 * 1024):
        error = await refused(registry.dataset(editor, connection_id, checks_yaml="é" * (size // 2 + 1)))
        assert [violation.field for violation in error.violations] == ["dataset.checks_yaml"]
        assert "at most 256 KiB" in error.violations[0].description
    assert registry.quality.fake.validated == []


async def test_without_quality_nothing_is_saved_and_the_error_says_so(registry: Registry, editor: Metadata, connection_id: str) -> None:
    kept = await registry.dataset(editor, connection_id, "kept", checks_yaml=GOOD_CHECKS)
    await registry.quality.stop()
    error = await refused(registry.dataset(editor, connection_id, checks_yaml=GOOD_CHECKS))
    assert (error.code, error.reason) == (StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")
    assert "nothing was saved" in error.message
    assert (
        await refused(update(registry, editor, kept.id, checks_yaml=GOOD_CHECKS + "  - row_count > 1\n"))
    ).code is StatusCode.UNAVAILABLE
    assert (await refused(registry.stub.DeleteDataset(dataset_pb2.DeleteDatasetRequest(id=kept.id), metadata=editor))).code is (
        StatusCode.UNAVAILABLE
    )
    # What needs no parser goes on.
    assert (await update(registry, editor, kept.id, owner="ann")).owner == "ann"
    assert [row["name"] for row in await registry.rows("SELECT name FROM registry.datasets")] == ["kept"]


async def test_bad_fields_are_named(registry: Registry, editor: Metadata, connection_id: str) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        ("dataset.table", {"table": 'a"b'}),
        ("dataset.table", {"table": "a\nb"}),
        ("dataset.table", {"table": " a"}),
        ("dataset.schema", {"schema": "'"}),
        ("dataset.owner", {"owner": "a\nb"}),
        ("dataset.tags[1]", {"tags": ["a", "b\x07"]}),
        ("dataset.description", {"description": "\0"}),
        ("dataset.checks_yaml", {"checks_yaml": "\0"}),
        ("dataset.drift_yaml", {"drift_yaml": "- a list"}),
        ("dataset.drift_yaml", {"drift_yaml": "a: &x [1]\nb: *x\n"}),
        ("dataset.drift_yaml", {"drift_yaml": "a: " + "[" * 5000}),
        ("dataset.drift_yaml", {"drift_yaml": "x" * (64 * 1024 + 1)}),
        ("dataset.samples.limit", {"samples": dataset_pb2.SamplePolicy(limit=101)}),
        ("dataset.samples.limit", {"samples": dataset_pb2.SamplePolicy(limit=-1)}),
    ]
    for field, fields in cases:
        error = await refused(registry.dataset(editor, connection_id, **fields))
        assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"), field
        assert [violation.field for violation in error.violations] == [field]
    made = await registry.dataset(editor, connection_id)
    for field, fields in (
        ("dataset.table", {"table": ""}),
        ("dataset.name", {"name": "🚀"}),
        ("dataset.connection_id", {"connection_id": "x"}),
    ):
        error = await refused(update(registry, editor, made.id, field.rpartition(".")[2], **fields))
        assert [violation.field for violation in error.violations] == [field]


async def test_names_are_refused_by_rule_and_when_taken(registry: Registry, editor: Metadata, connection_id: str) -> None:
    for name in ("", "a" * 201, "a" * 10_000, "🚀", 'a"b', "a'b", "a b"):
        error = await refused(registry.dataset(editor, connection_id, name))
        assert "must be 1 to 200 letters" in error.violations[0].description
    await registry.dataset(editor, connection_id)
    error = await refused(registry.dataset(editor, connection_id))
    assert (error.code, error.reason, error.metadata) == (StatusCode.ALREADY_EXISTS, "NAME_TAKEN", {"name": "customers"})
    other = await registry.dataset(editor, connection_id, "Customers")
    assert (await refused(update(registry, editor, other.id, name="customers"))).reason == "NAME_TAKEN"


async def test_of_many_that_race_for_a_name_one_wins(registry: Registry, editor: Metadata, connection_id: str) -> None:
    answers = await asyncio.gather(*(registry.dataset(editor, connection_id) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(answer, dataset_pb2.Dataset) for answer in answers) == 1
    assert len(await registry.rows("SELECT FROM registry.datasets")) == 1


async def test_schema_must_be_one_that_the_connection_grants(registry: Registry, editor: Metadata, tenant_id: str) -> None:
    admin = registry.as_user("tenant_admin", tenant_id)
    request = connection_pb2.CreateConnectionRequest(connection=snowflake_connection(granted_schemas=["SALES", "OTHER.RAW"]))
    snowflake = await registry.stub.CreateConnection(request, metadata=admin)
    allowed = [{}, {"schema": "PUBLIC"}, {"schema": "sales"}, {"database": "CHALK"}, {"database": "OTHER", "schema": "RAW"}]
    for number, fields in enumerate(allowed):
        assert (await registry.dataset(editor, snowflake.id, f"ok{number}", **fields)).id
    for field, fields in (
        ("dataset.schema", {"schema": "SECRET"}),
        ("dataset.schema", {"schema": "RAW"}),
        ("dataset.schema", {"database": "OTHER", "schema": "PUBLIC"}),
        ("dataset.database", {"database": "FOREIGN"}),
    ):
        error = await refused(registry.dataset(editor, snowflake.id, "bad", **fields))
        assert [violation.field for violation in error.violations] == [field], fields
        assert "CHALK.PUBLIC, CHALK.SALES, OTHER.RAW" in error.violations[0].description
    made = await registry.dataset(editor, snowflake.id)
    assert [violation.field for violation in (await refused(update(registry, editor, made.id, schema="SECRET"))).violations] == [
        "dataset.schema"
    ]


async def test_dataset_needs_a_connection_of_its_tenant(registry: Registry, editor: Metadata, connection_id: str) -> None:
    error = await refused(registry.dataset(editor, "0193ff00-0000-7000-8000-000000000000"))
    assert (error.code, error.reason) == (StatusCode.NOT_FOUND, "CONNECTION_NOT_FOUND")
    other = await registry.tenant("other")
    error = await refused(registry.dataset(registry.as_user("editor", other), connection_id))
    assert (error.code, error.reason) == (StatusCode.NOT_FOUND, "CONNECTION_NOT_FOUND")


async def test_quotas_of_datasets_and_checks(registry: Registry, editor: Metadata, connection_id: str, tenant_id: str) -> None:
    quotas = tenant_pb2.Quotas(max_datasets=3, max_checks_per_dataset=1)
    request = tenant_pb2.UpdateTenantRequest(tenant=tenant_pb2.Tenant(id=tenant_id, quotas=quotas))
    await registry.stub.UpdateTenant(request, metadata=registry.as_platform())
    error = await refused(registry.dataset(editor, connection_id, checks_yaml=GOOD_CHECKS))
    assert (error.code, error.reason, error.metadata["quota"]) == (
        StatusCode.RESOURCE_EXHAUSTED,
        "QUOTA_EXCEEDED",
        "max_checks_per_dataset",
    )
    answers = await asyncio.gather(*(registry.dataset(editor, connection_id, f"d{number}") for number in range(6)), return_exceptions=True)
    assert sum(isinstance(answer, dataset_pb2.Dataset) for answer in answers) == 3
    error = await refused(registry.dataset(editor, connection_id))
    assert (error.code, error.metadata["quota"]) == (StatusCode.RESOURCE_EXHAUSTED, "max_datasets")


async def test_only_changed_checks_are_parsed_again(registry: Registry, editor: Metadata, connection_id: str) -> None:
    made = await registry.dataset(editor, connection_id, checks_yaml=GOOD_CHECKS)
    await update(registry, editor, made.id, owner="ann")
    await update(registry, editor, made.id, "checks_yaml", "owner", checks_yaml=GOOD_CHECKS)
    assert registry.quality.fake.validated == [GOOD_CHECKS]
    changed = await update(registry, editor, made.id, checks_yaml=GOOD_CHECKS + "  - row_count > 1\n")
    assert (changed.check_count, changed.owner, len(registry.quality.fake.validated)) == (3, "", 2)
    assert (await refused(update(registry, editor, made.id, checks_yaml="- bogus"))).reason == "INVALID_CHECKS"
    emptied = await update(registry, editor, made.id, "checks_yaml")
    assert (emptied.checks_yaml, emptied.check_count) == ("", 0)


async def test_change_that_changes_nothing_leaves_no_trace(registry: Registry, editor: Metadata, connection_id: str) -> None:
    made = await registry.dataset(editor, connection_id, tags=["a"])
    assert await update(registry, editor, made.id, tags=["a"]) == made
    assert len(await registry.rows("SELECT FROM registry.audit_events WHERE action = 'registry.UpdateDataset'")) == 0


async def test_masks_replace_lists_and_maps_whole(registry: Registry, editor: Metadata, connection_id: str) -> None:
    policy = dataset_pb2.SamplePolicy(limit=3, excluded_columns=["A"])
    made = await registry.dataset(editor, connection_id, tags=["a", "b"], variables={"x": "1"}, samples=policy)
    changed = await update(registry, editor, made.id, tags=["c"], variables={"y": "2"})
    assert (list(changed.tags), dict(changed.variables), changed.samples.limit) == (["c"], {"y": "2"}, 3)
    emptied = await update(registry, editor, made.id, "tags", "variables", "samples")
    assert (list(emptied.tags), dict(emptied.variables), emptied.HasField("samples")) == ([], {}, False)
    for path in ("check_count", "id", "create_time", "etag", "nothing"):
        assert (await refused(update(registry, editor, made.id, path))).reason == "INVALID_UPDATE_MASK"


async def test_stale_etag_is_refused_on_update_and_delete(registry: Registry, editor: Metadata, connection_id: str) -> None:
    made = await registry.dataset(editor, connection_id)
    await update(registry, editor, made.id, owner="ann", etag=made.etag)
    assert (await refused(update(registry, editor, made.id, owner="bob", etag=made.etag))).reason == "ETAG_MISMATCH"
    request = dataset_pb2.DeleteDatasetRequest(id=made.id, etag=made.etag)
    assert (await refused(registry.stub.DeleteDataset(request, metadata=editor))).reason == "ETAG_MISMATCH"
    assert len(await registry.rows("SELECT FROM registry.datasets WHERE owner = 'ann'")) == 1


async def test_repeated_creates_at_once_answer_the_same(registry: Registry, editor: Metadata, connection_id: str) -> None:
    dataset = dataset_pb2.Dataset(name="d", connection_id=connection_id, table="T", variables={str(n): "v" for n in range(0)}, tags=["a"])
    request = dataset_pb2.CreateDatasetRequest(dataset=dataset, request_id="r1")
    answers = await asyncio.gather(*(registry.stub.CreateDataset(request, metadata=editor) for _ in range(6)))
    assert all(answer == answers[0] for answer in answers)
    request.dataset.tags.append("b")
    assert (await refused(registry.stub.CreateDataset(request, metadata=editor))).reason == "REQUEST_ID_REUSED"
    # Another tenant's ids are its own.
    other = registry.as_user("tenant_admin", await registry.tenant("other"))
    request.dataset.connection_id = (await registry.connection(other)).id
    assert (await registry.stub.CreateDataset(request, metadata=other)).id != answers[0].id


async def test_repeated_create_is_answered_while_quality_is_down(registry: Registry, editor: Metadata, connection_id: str) -> None:
    dataset = dataset_pb2.Dataset(name="d", connection_id=connection_id, table="T", checks_yaml=GOOD_CHECKS)
    request = dataset_pb2.CreateDatasetRequest(dataset=dataset, request_id="r1")
    first = await registry.stub.CreateDataset(request, metadata=editor)
    await registry.quality.stop()
    assert await registry.stub.CreateDataset(request, metadata=editor) == first


async def test_dataset_in_use_is_not_deleted(registry: Registry, editor: Metadata, connection_id: str) -> None:
    made = await registry.dataset(editor, connection_id)
    request = dataset_pb2.DeleteDatasetRequest(id=made.id)
    for usage in (run_pb2.GetDatasetUsageResponse(has_schedule=True), run_pb2.GetDatasetUsageResponse(active_run_ids=["r1"])):
        registry.quality.fake.usage = usage
        error = await refused(registry.stub.DeleteDataset(request, metadata=editor))
        assert (error.code, error.reason) == (StatusCode.FAILED_PRECONDITION, "RESOURCE_IN_USE")
    registry.quality.fake.usage = run_pb2.GetDatasetUsageResponse()
    await registry.stub.DeleteDataset(request, metadata=editor)
    assert (
        await refused(registry.stub.GetDataset(dataset_pb2.GetDatasetRequest(id=made.id), metadata=editor))
    ).reason == "DATASET_NOT_FOUND"
    assert registry.quality.fake.inspected == [made.id] * 3


async def test_service_gets_all_that_a_run_needs(registry: Registry, editor: Metadata, connection_id: str, tenant_id: str) -> None:
    made = await registry.dataset(editor, connection_id, checks_yaml=GOOD_CHECKS)
    request = dataset_pb2.ResolveDatasetRequest(id=made.id)
    answer = await registry.stub.ResolveDataset(request, metadata=registry.as_service(tenant_id))
    assert (answer.dataset, answer.tenant_active) == (made, True)
    assert answer.connection.connection.postgres.password == "s3cret-p4ss"
    suspend = tenant_pb2.UpdateTenantRequest(tenant=tenant_pb2.Tenant(id=tenant_id, state=tenant_pb2.Tenant.SUSPENDED))
    await registry.stub.UpdateTenant(suspend, metadata=registry.as_platform())
    assert not (await registry.stub.ResolveDataset(request, metadata=registry.as_service(tenant_id))).tenant_active
    for metadata in (editor, registry.as_platform(tenant_id)):
        assert (await refused(registry.stub.ResolveDataset(request, metadata=metadata))).code is StatusCode.PERMISSION_DENIED
    assert "s3cret" not in str(await registry.rows("SELECT t::text FROM registry.audit_events t"))


async def test_list_filters_and_pages(registry: Registry, editor: Metadata, connection_id: str) -> None:
    for number in range(5):
        await registry.dataset(editor, connection_id, f"d{number}", tags=["even"] if number % 2 == 0 else [], owner="ann")

    async def names(**wanted: Any) -> list[str]:
        answer = await registry.stub.ListDatasets(dataset_pb2.ListDatasetsRequest(**wanted), metadata=editor)
        return [dataset.name for dataset in answer.datasets]

    assert await names() == ["d0", "d1", "d2", "d3", "d4"]
    assert await names(tag="even", owner="ann", connection_id=connection_id.upper()) == ["d0", "d2", "d4"]
    assert await names(name="d3") == ["d3"]
    assert await names(owner="nobody") == []
    first = await registry.stub.ListDatasets(dataset_pb2.ListDatasetsRequest(tag="even", page_size=2), metadata=editor)
    rest = dataset_pb2.ListDatasetsRequest(tag="even", page_token=first.next_page_token)
    assert [dataset.name for dataset in (await registry.stub.ListDatasets(rest, metadata=editor)).datasets] == ["d4"]
    rest.tag = ""
    assert (await refused(registry.stub.ListDatasets(rest, metadata=editor))).reason == "INVALID_PAGE_TOKEN"

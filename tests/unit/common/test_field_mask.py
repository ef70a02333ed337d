from __future__ import annotations

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from chalkandduster.registry.v1.connection_pb2 import Connection, PostgresSettings, SnowflakeSettings
from chalkandduster.registry.v1.dataset_pb2 import Dataset, SamplePolicy
from chalkandduster.registry.v1.tenant_pb2 import Quotas, Tenant
from services.common.errors import InvalidUpdateMask
from services.common.field_mask import apply_update, resolve_paths

TENANT_FIELDS = ("display_name", "quotas", "state")
DATASET_FIELDS = ("description", "owner", "tags", "variables", "samples", "checks_yaml")
CURRENT = Tenant(id="1", name="acme", display_name="Acme", quotas=Quotas(max_datasets=5, max_concurrent_runs=2), etag="e1")


def mask(*paths: str) -> FieldMask:
    return FieldMask(paths=paths)


def test_without_mask_every_field_that_is_set_is_changed() -> None:
    merged = apply_update(CURRENT, Tenant(display_name="New", quotas=Quotas(max_datasets=9)), None, TENANT_FIELDS)
    assert (merged.display_name, merged.quotas.max_datasets, merged.quotas.max_concurrent_runs) == ("New", 9, 2)


def test_an_empty_mask_is_no_mask() -> None:
    assert apply_update(CURRENT, Tenant(display_name="New"), FieldMask(), TENANT_FIELDS).display_name == "New"


def test_a_mask_changes_what_it_names_and_empties_what_the_patch_leaves_out() -> None:
    merged = apply_update(
        CURRENT, Tenant(display_name="New", quotas=Quotas(max_datasets=9)), mask("quotas.max_concurrent_runs"), TENANT_FIELDS
    )
    assert (merged.display_name, merged.quotas.max_datasets, merged.quotas.max_concurrent_runs) == ("Acme", 5, 0)


def test_a_message_named_as_a_whole_is_replaced_as_a_whole() -> None:
    merged = apply_update(CURRENT, Tenant(quotas=Quotas(max_datasets=9)), mask("quotas"), TENANT_FIELDS)
    assert merged.quotas == Quotas(max_datasets=9)
    assert not apply_update(CURRENT, Tenant(), mask("quotas"), TENANT_FIELDS).HasField("quotas")


def test_the_present_resource_is_not_touched() -> None:
    before = CURRENT.SerializeToString()
    apply_update(CURRENT, Tenant(display_name="New"), None, TENANT_FIELDS)
    assert before == CURRENT.SerializeToString()


def test_a_star_means_everything_that_can_be_changed() -> None:
    merged = apply_update(CURRENT, Tenant(display_name="New"), mask("*"), TENANT_FIELDS)
    assert merged == Tenant(id="1", name="acme", display_name="New", etag="e1")


@pytest.mark.parametrize(
    "path",
    [
        "nope",
        "id",
        "etag",
        "name",
        "create_time",
        "create_time.seconds",
        "quotas.nope",
        "display_name.x",
        "",
        ".",
        "quotas.",
        "displayName",
        "a" * 10_000,
    ],
)
def test_a_mask_that_names_what_is_not_there_or_fixed_is_refused(path: str) -> None:
    with pytest.raises(InvalidUpdateMask) as caught:
        resolve_paths(Tenant(), mask("display_name", path), TENANT_FIELDS)
    assert caught.value.violations[0].field == "update_mask"
    assert "display_name, quotas, state" in caught.value.violations[0].description
    assert caught.value.metadata["path"] == path


def test_what_was_read_can_be_sent_back() -> None:
    read = Tenant()
    read.CopyFrom(CURRENT)
    read.create_time.GetCurrentTime()
    read.display_name = "New"
    assert apply_update(CURRENT, read, None, TENANT_FIELDS).display_name == "New"


def test_a_fixed_field_that_differs_is_refused_and_named() -> None:
    with pytest.raises(InvalidUpdateMask, match="'name' is none of these"):
        apply_update(CURRENT, Tenant(name="other"), None, TENANT_FIELDS)


def test_fields_inside_one_that_is_named_count_once() -> None:
    paths = resolve_paths(Tenant(), mask("quotas.max_datasets", "quotas", "display_name", "display_name"), TENANT_FIELDS)
    assert paths == ("display_name", "quotas")


def test_only_the_named_part_of_a_message_may_be_open() -> None:
    assert resolve_paths(Tenant(), mask("quotas.max_datasets"), ("quotas.max_datasets",)) == ("quotas.max_datasets",)
    with pytest.raises(InvalidUpdateMask):
        resolve_paths(Tenant(), mask("quotas"), ("quotas.max_datasets",))


def test_lists_and_maps_are_replaced_whole() -> None:
    current = Dataset(tags=["a", "b"], variables={"x": "1", "y": "2"})
    merged = apply_update(current, Dataset(tags=["c"], variables={"z": "3"}), None, DATASET_FIELDS)
    assert (list(merged.tags), dict(merged.variables)) == (["c"], {"z": "3"})
    emptied = apply_update(current, Dataset(), mask("tags", "variables"), DATASET_FIELDS)
    assert (list(emptied.tags), dict(emptied.variables)) == ([], {})


def test_an_entry_of_a_map_cannot_be_named() -> None:
    with pytest.raises(InvalidUpdateMask):
        resolve_paths(Dataset(), mask("variables.x"), DATASET_FIELDS)


def test_a_message_that_is_there_but_empty_replaces_the_present_one() -> None:
    current = Dataset(samples=SamplePolicy(limit=5))
    assert apply_update(current, Dataset(samples=SamplePolicy()), None, DATASET_FIELDS).samples == SamplePolicy()


def test_one_setting_of_a_connection_changes_alone() -> None:
    current = Connection(id="1", snowflake=SnowflakeSettings(account="a", user="u", warehouse="w"))
    merged = apply_update(current, Connection(snowflake=SnowflakeSettings(warehouse="x")), None, ("snowflake", "postgres"))
    assert merged.snowflake == SnowflakeSettings(account="a", user="u", warehouse="x")


def test_the_other_kind_of_a_choice_takes_its_place() -> None:
    current = Connection(id="1", snowflake=SnowflakeSettings(account="a"))
    merged = apply_update(current, Connection(postgres=PostgresSettings(host="h")), mask("postgres"), ("snowflake", "postgres"))
    assert merged.WhichOneof("kind") == "postgres"

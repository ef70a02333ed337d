"""What counts as a difference between a manifest and what there is."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.message import Message

from chalkandduster.cli.apply.compare import difference
from chalkandduster.cli.apply.manifest import Manifest
from chalkandduster.cli.apply.problem import Place
from chalkandduster.quality.v1.run_pb2 import Run
from chalkandduster.quality.v1.schedule_pb2 import Schedule
from chalkandduster.registry.v1.connection_pb2 import Connection, PostgresSettings, SnowflakeSettings
from chalkandduster.registry.v1.dataset_pb2 import Dataset, SamplePolicy
from chalkandduster.registry.v1.tenant_pb2 import Quotas, Tenant


def wanted(message: Message, refers_to: str = "") -> Manifest:
    kind = message.DESCRIPTOR.name
    return Manifest(kind, "x", Place(Path("m.yaml"), 1), message, refers_to)


def changed(message: Message, current: Message, refers_to: str = "") -> list[str]:
    return list(difference(wanted(message, refers_to), current, refers_to).paths)


@pytest.mark.parametrize(
    ("message", "current"),
    [
        (Tenant(name="x"), Tenant(id="1", name="x", display_name="x", state=Tenant.ACTIVE, etag="7")),
        (Tenant(name="x", quotas=Quotas(max_datasets=10_000)), Tenant(name="x", display_name="x")),
        (
            Connection(postgres=PostgresSettings(host="h", password="p")),
            Connection(postgres=PostgresSettings(host="h", port=5432, schema="public", sslmode="require", has_password=True)),
        ),
        (
            Connection(snowflake=SnowflakeSettings(account="a")),
            Connection(snowflake=SnowflakeSettings(account="a", protocol="https", port=443, has_private_key=True)),
        ),
        (
            Connection(snowflake=SnowflakeSettings(account="a", protocol="http")),
            Connection(snowflake=SnowflakeSettings(account="a", protocol="http", port=80)),
        ),
        (Schedule(cron="0 6 * * *"), Schedule(dataset_id="1", cron="0 6 * * *", timezone="UTC", etag="2")),
        (Schedule(kinds=[Run.QUALITY, Run.DRIFT]), Schedule(kinds=[Run.DRIFT, Run.QUALITY])),
        (Dataset(table="T"), Dataset(id="1", table="T", connection_id="2", check_count=5, samples=SamplePolicy(), etag="3")),
    ],
)
def test_what_means_the_same_is_no_difference(message: Message, current: Message) -> None:
    found = difference(wanted(message), current, "")
    assert found.paths == ()
    assert found.diff == ""


def test_a_changed_field_is_named_by_its_path() -> None:
    message = Connection(description="new", snowflake=SnowflakeSettings(account="a", granted_schemas=["S"]))
    current = Connection(description="old", snowflake=SnowflakeSettings(account="a", role="R"))
    assert changed(message, current) == ["description", "snowflake.granted_schemas", "snowflake.role"]


def test_samples_are_changed_as_one() -> None:
    assert changed(Dataset(samples=SamplePolicy(limit=5)), Dataset(samples=SamplePolicy(limit=5, excluded_columns=["a"]))) == ["samples"]
    assert changed(Dataset(), Dataset(samples=SamplePolicy(limit=5))) == ["samples"]


def test_another_connection_changes_its_id() -> None:
    found = difference(wanted(Dataset(table="T"), "new"), Dataset(table="T", connection_id="1"), "old")
    assert found.paths == ("connection_id",)
    assert "-connection: old\n+connection: new\n" in found.diff


def test_the_order_of_tags_and_the_text_of_checks_count() -> None:
    message, current = Dataset(tags=["a", "b"], checks_yaml="checks for t:\n  - row_count > 1\n"), Dataset(tags=["b", "a"])
    assert changed(message, current) == ["checks_yaml", "tags"]


def test_a_diff_shows_texts_line_by_line_and_no_secret() -> None:
    connection = Connection(description="a\nb\n", snowflake=SnowflakeSettings(account="acct", password="s3cret"))
    diff = difference(wanted(connection), None, "").diff
    assert diff.startswith("--- /dev/null\n+++ connection/x (manifest)\n")
    assert "+description: |\n+  a\n+  b\n" in diff
    assert "s3cret" not in diff


def test_a_default_shows_in_the_diff_when_the_change_is_about_it() -> None:
    message = Connection(postgres=PostgresSettings(host="h"))
    current = Connection(postgres=PostgresSettings(host="h", sslmode="disable"))
    diff = difference(wanted(message), current, "").diff
    assert "-  sslmode: disable\n+  sslmode: require\n" in diff


def test_what_is_created_shows_as_written() -> None:
    diff = difference(wanted(Tenant(name="x", quotas=Quotas(max_datasets=5))), None, "").diff
    assert [line for line in diff.splitlines() if line.startswith(("+ ", "+quotas", "-"))] == [
        "--- /dev/null",
        "+quotas:",
        "+  max_datasets: 5",
    ]

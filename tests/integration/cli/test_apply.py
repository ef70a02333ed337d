"""`apply` against a platform in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.rpc import code_pb2

from chalkandduster.quality.v1.check_pb2 import CheckError
from chalkandduster.registry.v1.tenant_pb2 import Tenant
from tests.integration.cli.conftest import Run
from tests.integration.cli.platform import Platform, status

SECRET = {"WAREHOUSE_PASSWORD": "s3cret", "WAREHOUSE_PORT": "8443"}
MANIFESTS = """\
apiVersion: chalkandduster/v1
kind: Schedule
metadata: {name: orders}
spec: {cron: "0 6 * * *", timezone: Europe/Vienna}
---
apiVersion: chalkandduster/v1
kind: Dataset
metadata: {name: orders}
spec:
  connection: warehouse
  table: ORDERS
  tags: [retail]
  variables: {day: 2024-01-01}
  checks:
    # what must hold
    - row_count > 0
    - missing_count(email) = 0
---
apiVersion: chalkandduster/v1
kind: Connection
metadata: {name: warehouse}
spec:
  snowflake:
    account: acct
    user: reader
    password: ${WAREHOUSE_PASSWORD}
    database: SHOP
    schema: PUBLIC
    port: ${WAREHOUSE_PORT}
"""


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    """A file with a connection, a dataset and its schedule, in the wrong order."""
    file = tmp_path / "shop.yaml"
    file.write_text(MANIFESTS, encoding="utf-8")
    return file


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_what_is_missing_is_created_in_the_order_of_dependencies(platform: Platform, run: Run, manifests: Path) -> None:
    result = run("apply", "-f", str(manifests), env=SECRET)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "connection/warehouse created",
        "dataset/orders created",
        "schedule/orders created",
        "3 created, 0 updated, 0 unchanged",
    ]
    [connection] = platform.requests("CreateConnection")
    assert connection.connection.snowflake.password == "s3cret"
    assert connection.connection.snowflake.port == 8443
    [dataset] = platform.datasets.values()
    assert dataset.connection_id in platform.connections
    assert dataset.checks_yaml.startswith("checks for ORDERS:\n  # what must hold\n  - row_count > 0\n")
    assert dict(dataset.variables) == {"day": "2024-01-01"}
    assert platform.schedules[dataset.id].timezone == "Europe/Vienna"


def test_applying_again_changes_nothing(platform: Platform, run: Run, manifests: Path) -> None:
    run("apply", "-f", str(manifests), env=SECRET)
    before = platform.changes()
    result = run("apply", "-f", str(manifests), env=SECRET)
    assert result.stdout.splitlines()[-1] == "0 created, 0 updated, 3 unchanged"
    assert platform.changes() == before


def test_a_change_names_its_fields_and_its_etag(platform: Platform, run: Run, manifests: Path) -> None:
    run("apply", "-f", str(manifests), env=SECRET)
    edit(manifests, "row_count > 0", "row_count > 10")
    edit(manifests, "  tags: [retail]\n", "")
    result = run("apply", "-f", str(manifests), env=SECRET)
    assert "dataset/orders updated" in result.stdout
    [request] = platform.requests("UpdateDataset")
    assert list(request.update_mask.paths) == ["checks_yaml", "tags"]
    assert request.dataset.etag == "1"
    [dataset] = platform.datasets.values()
    assert list(dataset.tags) == []
    assert "row_count > 10" in dataset.checks_yaml


def test_secrets_go_along_with_a_change_of_the_connection_only(platform: Platform, run: Run, manifests: Path) -> None:
    run("apply", "-f", str(manifests), env=SECRET)
    edit(manifests, "user: reader", "user: auditor")
    run("apply", "-f", str(manifests), env=SECRET)
    [request] = platform.requests("UpdateConnection")
    assert list(request.update_mask.paths) == ["snowflake.user", "snowflake.password"]
    assert request.connection.snowflake.password == "s3cret"
    result = run("apply", "-f", str(manifests), "--update-secrets", env={**SECRET, "WAREHOUSE_PASSWORD": "n3w"})
    assert "connection/warehouse updated" in result.stdout
    assert list(platform.requests("UpdateConnection")[-1].update_mask.paths) == ["snowflake.password"]
    assert "n3w" not in result.output


def test_a_dry_run_shows_a_diff_and_changes_nothing(platform: Platform, run: Run, manifests: Path) -> None:
    run("apply", "-f", str(manifests), env=SECRET)
    before = platform.changes()
    edit(manifests, "row_count > 0", "row_count > 10")
    result = run("apply", "-f", str(manifests), "--dry-run", env=SECRET)
    assert result.exit_code == 0
    assert "dataset/orders: would be updated" in result.stdout
    lines = result.stdout.splitlines()
    assert "-    - row_count > 0" in lines
    assert "+    - row_count > 10" in lines
    assert lines[-1] == "dry run: 0 created, 1 updated, 2 unchanged; nothing was changed"
    assert platform.changes() == before


def test_a_dry_run_tells_machines_the_fields(platform: Platform, run: Run, manifests: Path) -> None:
    result = run("apply", "-f", str(manifests), "--dry-run", "--json", env=SECRET)
    content = json.loads(result.stdout)
    assert [(each["kind"], each["action"]) for each in content["resources"]] == [
        ("Connection", "create"),
        ("Dataset", "create"),
        ("Schedule", "create"),
    ]
    assert "s3cret" not in result.output
    assert platform.changes() == []


def test_the_tenant_of_the_manifests_is_the_one_that_the_others_belong_to(platform: Platform, run: Run, manifests: Path) -> None:
    edit(
        manifests,
        "apiVersion: chalkandduster/v1\nkind: Schedule",
        "apiVersion: chalkandduster/v1\nkind: Tenant\nmetadata: {name: shop}\n---\n" + "apiVersion: chalkandduster/v1\nkind: Schedule",
    )
    dry = run("apply", "-f", str(manifests), "--dry-run", env=SECRET)
    assert "4 created" in dry.stdout
    result = run("apply", "-f", str(manifests), env=SECRET)
    assert result.stdout.splitlines()[0] == "tenant/shop created"
    [tenant] = [tenant for tenant in platform.tenants.values() if tenant.name == "shop"]
    sent = [metadata for (name, _), metadata in zip(platform.calls, platform.metadata, strict=True) if name == "CreateConnection"]
    assert sent[0]["x-tenant-id"] == tenant.id
    assert run("apply", "-f", str(manifests), env=SECRET).stdout.splitlines()[-1] == "0 created, 0 updated, 4 unchanged"


def test_a_suspended_tenant_stays_suspended(platform: Platform, run: Run, tmp_path: Path) -> None:
    [tenant] = platform.tenants.values()
    tenant.state = Tenant.SUSPENDED
    file = tmp_path / "t.yaml"
    file.write_text(
        "apiVersion: chalkandduster/v1\nkind: Tenant\nmetadata: {name: acme}\nspec: {quotas: {max_datasets: 5}}\n", encoding="utf-8"
    )
    assert run("apply", "-f", str(file)).exit_code == 0
    [request] = platform.requests("UpdateTenant")
    assert list(request.update_mask.paths) == ["quotas.max_datasets"]


def test_wrong_checks_are_told_with_the_line_of_the_manifest(platform: Platform, run: Run, manifests: Path) -> None:
    platform.checks_errors = [CheckError(line=4, column=5, message="unknown check")]
    result = run("apply", "-f", str(manifests), env=SECRET)
    assert result.exit_code == 1
    line = MANIFESTS.splitlines().index("    - missing_count(email) = 0") + 1
    assert f"{manifests}:{line}:7: unknown check" in result.stderr
    assert platform.changes() == []


def test_a_reference_to_nothing_is_told_with_its_line(platform: Platform, run: Run, manifests: Path) -> None:
    edit(manifests, "connection: warehouse", "connection: nowhere")
    result = run("apply", "-f", str(manifests), env=SECRET)
    assert result.exit_code == 1
    assert f"{manifests}:10:15: there is no connection 'nowhere', neither in the manifests nor in the tenant" in result.stderr
    assert platform.changes() == []


def test_rules_of_the_api_are_told_with_their_line_before_anything_is_sent(platform: Platform, run: Run, manifests: Path) -> None:
    edit(manifests, "account: acct", "account: ac ct!")
    edit(manifests, "metadata: {name: warehouse}", "metadata: {name: ware house}")
    edit(manifests, "connection: warehouse", "connection: ware house")
    result = run("apply", "-f", str(manifests), env=SECRET)
    assert result.exit_code == 1
    assert f"{manifests}:24:14: snowflake.account: does not match" in result.stderr
    assert f"{manifests}:19:1: name must be 1 to 100 letters" in result.stderr
    assert platform.changes() == []


def test_the_kind_of_a_connection_cannot_change(platform: Platform, run: Run, manifests: Path) -> None:
    run("apply", "-f", str(manifests), env=SECRET)
    edit(manifests, "  snowflake:\n    account: acct\n", "  postgres:\n    host: db\n")
    result = run("apply", "-f", str(manifests), env=SECRET)
    assert "postgres: the kind cannot be changed, this is a snowflake connection" in result.stderr


def test_a_failure_says_what_was_applied_and_what_was_not(platform: Platform, run: Run, manifests: Path) -> None:
    error = status(code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST", "The request is not valid.", {"dataset.tags[0]": "must be nicer"})
    platform.failures["CreateDataset"] = [error]
    result = run("apply", "-f", str(manifests), env=SECRET)
    assert result.exit_code == 1
    assert result.stdout == "connection/warehouse created\n"
    assert result.stderr.splitlines() == [
        f"error: {manifests}:6:1: dataset/orders could not be created: The request is not valid.",
        f"  {manifests}:12:9: dataset.tags[0]: must be nicer",
        "  applied before it: connection/warehouse",
        "  not tried: schedule/orders",
    ]


def test_a_failure_is_told_to_machines_too(platform: Platform, run: Run, manifests: Path) -> None:
    platform.failures["CreateConnection"] = [status(code_pb2.ALREADY_EXISTS, "NAME_TAKEN", "The name is taken.")]
    result = run("apply", "-f", str(manifests), "--json", env=SECRET)
    assert result.exit_code == 1
    [failed] = json.loads(result.stdout)["resources"]
    assert failed["action"] == "failed"
    assert "The name is taken." in failed["error"]


def test_a_lost_race_overwrites_nothing(platform: Platform, run: Run, manifests: Path) -> None:
    run("apply", "-f", str(manifests), env=SECRET)
    edit(manifests, "row_count > 0", "row_count > 10")
    platform.failures["UpdateDataset"] = [status(code_pb2.ABORTED, "ETAG_MISMATCH", "The resource changed since it was read.")]
    result = run("apply", "-f", str(manifests), env=SECRET)
    assert result.exit_code == 1
    assert "The resource changed since it was read." in result.stderr


def test_checks_of_a_file_keep_their_lines(platform: Platform, run: Run, tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "orders.yml").write_text("checks for ORDERS:\n  - row_count > 0\n", encoding="utf-8")
    text = (
        MANIFESTS[: MANIFESTS.index("  checks:\n")]
        + "  checks_file: checks/orders.yml\n"
        + MANIFESTS[MANIFESTS.index("---\napiVersion: chalkandduster/v1\nkind: Connection") :]
    )
    (tmp_path / "all.yaml").write_text(text, encoding="utf-8")
    platform.checks_errors = [CheckError(line=2, column=5, message="unknown check")]
    result = run("apply", "-f", str(tmp_path), env=SECRET)
    assert f"{tmp_path}/checks/orders.yml:2:5: unknown check" in result.stderr
    platform.checks_errors = []
    assert run("apply", "-f", str(tmp_path), env=SECRET).exit_code == 0
    [dataset] = platform.datasets.values()
    assert dataset.checks_yaml == "checks for ORDERS:\n  - row_count > 0\n"

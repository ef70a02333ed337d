"""The commands that read and run, against a platform in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.rpc import code_pb2

from chalkandduster.client import Client
from chalkandduster.quality.v1.check_pb2 import CheckError, CheckResult
from chalkandduster.quality.v1.run_pb2 import Run as QualityRun
from chalkandduster.registry.v1.api_key_pb2 import ApiKey
from chalkandduster.registry.v1.connection_pb2 import Connection, SnowflakeSettings
from chalkandduster.registry.v1.connection_pb2 import TestConnectionResponse as ConnectionTested
from tests.integration.cli.conftest import Run
from tests.integration.cli.platform import Platform, new_id, status


def ended(verdict: QualityRun.Verdict.ValueType) -> QualityRun:
    """A run that ran to its end with one check."""
    run = QualityRun(state=QualityRun.SUCCEEDED, verdict=verdict, dataset_name="orders")
    run.checks.add(name="no gaps", column="email", verdict=CheckResult.FAIL, measured_value=3, threshold="= 0", failed_rows_count=3)
    run.check_counts.total, run.check_counts.failed = 1, 1
    return run


@pytest.mark.parametrize(
    ("verdict", "options", "code"),
    [
        (QualityRun.PASS, (), 0),
        (QualityRun.WARN, (), 0),
        (QualityRun.WARN, ("--fail-on", "warn"), 1),
        (QualityRun.FAIL, (), 1),
        (QualityRun.ERROR, (), 2),
    ],
)
def test_trigger_exits_by_the_verdict(
    platform: Platform, run: Run, verdict: QualityRun.Verdict.ValueType, options: tuple[str, ...], code: int
) -> None:
    platform.add_dataset("orders")
    platform.script = [QualityRun(state=QualityRun.QUEUED), QualityRun(state=QualityRun.RUNNING), ended(verdict)]
    result = run("trigger", "orders", "--wait", *options)
    assert result.exit_code == code
    assert f"of orders: {QualityRun.Verdict.Name(verdict)}" in result.stdout
    assert "no gaps" in result.stdout
    assert "RUNNING" in result.stderr
    assert "RUNNING" not in result.stdout


def test_trigger_sends_kinds_variables_and_request_id(platform: Platform, run: Run) -> None:
    dataset = platform.add_dataset("orders")
    options = ("--kind", "quality", "--kind", "drift", "--var", "day=2024-01-01", "--var", "eq=a=b", "--request-id", "nightly-1")
    result = run("trigger", "orders", *options)
    assert result.exit_code == 0
    [request] = platform.requests("TriggerDataset")
    assert request.dataset_id == dataset
    assert list(request.kinds) == [QualityRun.QUALITY, QualityRun.DRIFT]
    assert dict(request.variables) == {"day": "2024-01-01", "eq": "a=b"}
    assert request.request_id == "nightly-1"
    assert result.stdout.endswith(": QUEUED\n")


def test_trigger_takes_an_id_without_looking_it_up(platform: Platform, run: Run) -> None:
    dataset = platform.add_dataset("orders")
    assert run("trigger", dataset).exit_code == 0
    assert platform.requests("ListDatasets") == []


def test_trigger_of_a_cancelled_run_has_no_verdict(platform: Platform, run: Run) -> None:
    platform.add_dataset("orders")
    platform.script = [QualityRun(state=QualityRun.CANCELLED)]
    result = run("trigger", "orders", "--wait")
    assert result.exit_code == 3
    assert "CANCELLED" in result.stdout


def test_trigger_out_of_time_has_no_verdict(platform: Platform, run: Run) -> None:
    platform.add_dataset("orders")
    platform.script = [QualityRun(state=QualityRun.RUNNING)]
    result = run("trigger", "orders", "--wait", "--timeout", "1s")
    assert result.exit_code == 3
    assert "has not ended within 1 seconds; it goes on" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("trigger",), "Missing argument 'DATASET'"),
        (("trigger", "nothing"), "there is no dataset 'nothing' in this tenant"),
        (("trigger", ""), "there is no dataset '' in this tenant"),
        (("trigger", "orders", "--kind", "x"), "is not one of 'quality', 'drift'"),
        (("trigger", "orders", "--var", "novalue"), "--var 'novalue' is not of the form NAME=VALUE"),
        (("trigger", "orders", "--wait", "--timeout", "soon"), "'soon' is not a duration"),
        (("watch", "0193"), "There is no such run."),
    ],
)
def test_what_goes_wrong_before_a_verdict_exits_with_3(platform: Platform, run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    platform.add_dataset("orders")
    result = run(*arguments)
    assert result.exit_code == 3
    assert sentence in result.stderr
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.output


def test_trigger_prints_the_run_as_json(platform: Platform, run: Run) -> None:
    platform.add_dataset("orders")
    platform.script = [ended(QualityRun.FAIL)]
    result = run("trigger", "orders", "--wait", "--json")
    assert result.exit_code == 1
    content = json.loads(result.stdout)
    assert content["verdict"] == "FAIL"
    assert content["checks"][0]["measured_value"] == 3
    assert content["check_counts"]["not_evaluated"] == 0


def test_watch_prints_each_state_as_a_line_of_json(platform: Platform, run: Run) -> None:
    known = QualityRun(id=new_id(), state=QualityRun.QUEUED)
    platform.runs[known.id] = known
    platform.script = [QualityRun(state=QualityRun.RUNNING), ended(QualityRun.PASS)]
    result = run("watch", known.id, "--json")
    assert result.exit_code == 0
    assert [json.loads(line)["state"] for line in result.stdout.splitlines()] == ["RUNNING", "SUCCEEDED"]


def test_runs_lists_as_many_as_asked_for_with_filters(platform: Platform, run: Run) -> None:
    dataset = platform.add_dataset("orders")
    for _ in range(5):
        each = QualityRun(id=new_id(), dataset_name="orders", state=QualityRun.SUCCEEDED, verdict=QualityRun.FAIL)
        platform.runs[each.id] = each
    result = run("runs", "--dataset", "orders", "--state", "succeeded", "--verdict", "FAIL", "--limit", "3", "--json")
    assert [each["verdict"] for each in json.loads(result.stdout)["runs"]] == ["FAIL"] * 3
    [request] = platform.requests("ListRuns")
    assert (request.dataset_id, request.state, request.verdict) == (dataset, QualityRun.SUCCEEDED, QualityRun.FAIL)


def test_runs_show_prints_the_checks(platform: Platform, run: Run) -> None:
    known = ended(QualityRun.FAIL)
    known.id = new_id()
    platform.runs[known.id] = known
    result = run("runs", "show", known.id)
    assert result.exit_code == 0
    assert "no gaps" in result.stdout
    assert result.stdout.splitlines()[-1] == f"run {known.id} of orders: FAIL, 1 check: 1 failed"


def test_a_narrow_terminal_shows_the_message_below_the_check(platform: Platform, run: Run) -> None:
    known = ended(QualityRun.FAIL)
    known.id, known.checks[0].message = new_id(), "3 rows have no e-mail address"
    platform.runs[known.id] = known
    lines = run("runs", "show", known.id, env={"COLUMNS": "80"}).stdout.splitlines()
    assert [line.split() for line in lines[:2]] == [["verdict", "check", "measured", "failed", "rows"], ["FAIL", "no", "gaps", "3", "3"]]
    assert lines[2].strip() == "3 rows have no e-mail address"


def test_interrupting_the_wait_says_that_the_run_goes_on(platform: Platform, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    platform.add_dataset("orders")
    monkeypatch.setattr(Client, "watch_run", interrupted)
    result = run("trigger", "orders", "--wait")
    assert result.exit_code == 130
    [known] = platform.runs.values()
    assert f"the run goes on; follow it with: chalkandduster watch {known.id}" in result.stderr


def test_options_of_the_group_count_for_its_command(platform: Platform, run: Run) -> None:
    tenant = platform.add_tenant("other")
    known = QualityRun(id=new_id())
    platform.runs[known.id] = known
    result = run("runs", "--tenant", "other", "--json", "show", known.id)
    assert json.loads(result.stdout)["id"] == known.id
    assert platform.metadata[-1]["x-tenant-id"] == tenant


def test_text_from_tenants_cannot_steer_the_terminal(platform: Platform, run: Run) -> None:
    platform.add_dataset("\x1b[2J\u202eevil[red]")
    result = run("datasets")
    assert "\\x1b[2J\\u202eevil[red]" in result.stdout
    assert "\x1b" not in result.stdout


def test_datasets_names_the_connection(platform: Platform, run: Run) -> None:
    connection = Connection(id=new_id(), name="warehouse", snowflake=SnowflakeSettings(account="acct", has_password=True))
    platform.connections[connection.id] = connection
    platform.add_dataset("orders", connection.id)
    assert "warehouse" in run("datasets").stdout
    assert "password" in run("connections").stdout
    listed = json.loads(run("datasets", "--json").stdout)["datasets"]
    assert listed[0]["connection_id"] == connection.id


def test_connections_test_tells_what_the_warehouse_said(platform: Platform, run: Run) -> None:
    connection = Connection(id=new_id(), name="warehouse")
    platform.connections[connection.id] = connection
    assert run("connections", "test", "warehouse").stdout == "connection warehouse works: 8.1, 12 ms\n"
    platform.connection_test = ConnectionTested(ok=False, error="wrong password")
    result = run("connections", "test", "warehouse")
    assert result.exit_code == 1
    assert result.stderr == "error: connection warehouse does not work: wrong password\n"
    assert json.loads(run("connections", "test", "warehouse", "--json").stdout)["ok"] is False


def test_validate_names_file_line_and_column(platform: Platform, run: Run) -> None:
    file = Path("checks.yml")
    file.write_text("checks for orders:\n  - row_count > 0\n", encoding="utf-8")
    assert run("validate", "checks.yml").stdout == "checks.yml: 1 check, no errors\n"
    platform.checks_errors = [CheckError(line=2, column=5, message="unknown check 'row_cuont'")]
    result = run("validate", "checks.yml")
    assert result.exit_code == 1
    assert result.stdout == "checks.yml:2:5: unknown check 'row_cuont'\n"


def test_api_keys_are_shown_once_and_revoked_by_name(platform: Platform, run: Run) -> None:
    created = run("api-keys", "create", "ci", "--role", "editor", "--expires", "30d")
    assert created.exit_code == 0
    assert created.stdout.startswith("chk_")
    [request] = platform.requests("CreateApiKey")
    assert request.api_key.expire_time.seconds > 0
    assert "works" in run("api-keys", "list").stdout
    assert run("api-keys", "revoke", "ci").stdout == "API key ci is revoked\n"
    assert "revoked" in run("api-keys", "list").stdout
    assert "there is no API key 'ci'" in run("api-keys", "revoke", "ci").stderr


def test_a_revoked_key_of_the_same_name_is_passed_over(platform: Platform, run: Run) -> None:
    old, new = ApiKey(id=new_id(), name="ci"), ApiKey(id=new_id(), name="ci")
    old.revoke_time.GetCurrentTime()
    platform.api_keys = {old.id: old, new.id: new}
    assert run("api-keys", "revoke", "ci").exit_code == 0
    assert platform.requests("RevokeApiKey")[0].id == new.id


def test_an_error_of_the_api_is_one_sentence_with_its_violations(platform: Platform, run: Run) -> None:
    broken = status(code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST", "The request is not valid.", {"name": "too \x1blong"})
    platform.failures["CreateApiKey"] = [broken]
    result = run("api-keys", "create", "x", "--role", "viewer")
    assert result.exit_code == 1
    assert result.stderr == "error: The request is not valid.\n  name: too \\x1blong\n"


def test_a_tenant_is_named_by_name_or_id(platform: Platform, run: Run) -> None:
    tenant = platform.add_tenant("other")
    run("datasets", "--tenant", "other", "--json")
    run("datasets", "--tenant", tenant, "--json")
    assert [sent["x-tenant-id"] for sent in platform.metadata if "x-tenant-id" in sent] == [tenant, tenant]
    assert "there is no tenant 'nobody'" in run("datasets", "--tenant", "nobody").stderr


def test_an_api_key_of_the_environment_is_sent(platform: Platform, run: Run) -> None:
    run("datasets", "--json", with_token=False, env={"CHALKANDDUSTER_API_KEY": "chk_1"})
    assert platform.metadata[-1]["x-api-key"] == "chk_1"


def test_without_credentials_nothing_is_sent(platform: Platform, run: Run) -> None:
    result = run("datasets", with_token=False)
    assert result.exit_code == 1
    assert "no credentials for http://127.0.0.1:" in result.stderr
    assert platform.calls == []


def test_a_gateway_that_is_not_there_is_told_in_one_sentence(run: Run) -> None:
    result = run("datasets", "--gateway", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert "the gateway cannot be reached" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_malformed_gateway_is_refused(run: Run) -> None:
    assert "is not an address" in run("datasets", "--gateway", "http://h/x").stderr

"""From a connection to a verdict, through REST."""

from __future__ import annotations

import json

import pytest

from tests.e2e.suite import Suite, Tenant, reason

pytestmark = pytest.mark.timeout(180)

ORDERS = (
    "CREATE TABLE orders (id INT, email VARCHAR, amount DOUBLE, created_at TIMESTAMP_NTZ)",
    "INSERT INTO orders VALUES (1, 'a@example.com', 10, '2026-01-01 00:00:00'), (2, NULL, -5, '2026-01-02 00:00:00')",
    "INSERT INTO orders VALUES (2, 'not an address', 7, NULL)",
)


@pytest.fixture
def orders(tenant: Tenant) -> Tenant:
    """A tenant with a table that has one flaw of several kinds."""
    tenant.execute(*ORDERS)
    return tenant


def test_connection_test_reaches_the_warehouse_and_keeps_the_secret(orders: Tenant) -> None:
    connection = orders.new_connection()
    answer = orders.api.post(f"/connections/{connection['id']}/test")
    assert answer["ok"] is True
    assert answer["server_version"]
    assert answer["latency_ms"] > 0
    assert connection["snowflake"]["has_password"] is True
    assert "reader" not in json.dumps({**connection["snowflake"], "user": ""})


def test_each_declared_check_gets_its_own_verdict_in_the_order_written(orders: Tenant) -> None:
    checks = (
        "row_count > 0",
        "missing_count(email) = 0",
        "missing_count(emial) = 0",
        "duplicate_count(id) = 0",
        "avg(amount) between 0 and 100",
        "min(amount) >= 0",
        "values in (id) must exist in nowhere (id)",
    )
    dataset = orders.new_dataset(orders.new_connection()["id"], "ORDERS", checks)
    run = orders.run(dataset["id"])
    assert (run["state"], run["verdict"]) == ("SUCCEEDED", "FAIL")
    assert [check["verdict"] for check in run["checks"]] == ["PASS", "FAIL", "ERROR", "FAIL", "PASS", "FAIL", "ERROR"]
    missing, typo = run["checks"][1], run["checks"][2]
    assert (missing["measured_value"], missing["failed_rows_count"], missing["column"].lower()) == (1, 1, "email")
    assert "emial" in typo["message"].lower()
    assert run["check_counts"] == {"total": 7, "passed": 2, "warned": 0, "failed": 3, "errored": 2, "not_evaluated": 0}


def test_compact_form_gives_the_same_verdicts(orders: Tenant) -> None:
    connection = orders.new_connection()
    compact = orders.new_dataset(connection["id"], "ORDERS", "checks:\n  orders:\n    - row_count = 3\n    - missing_count(email) = 0\n")
    run = orders.run(compact["id"])
    assert [check["verdict"] for check in run["checks"]] == ["PASS", "FAIL"]


def test_the_same_request_id_answers_the_same_run(orders: Tenant) -> None:
    dataset = orders.new_dataset(orders.new_connection()["id"], "ORDERS", ["row_count > 0"])
    first = orders.api.post(f"/datasets/{dataset['id']}/trigger", {"request_id": "once", "kinds": ["QUALITY"]})
    second = orders.api.post(f"/datasets/{dataset['id']}/trigger", {"request_id": "once", "kinds": ["QUALITY"]})
    assert first["id"] == second["id"]
    assert first["state"] == "QUEUED"
    orders.await_run(first["id"])
    assert len(orders.api.get("/runs", dataset_id=dataset["id"])["runs"]) == 1


def test_runs_are_listed_newest_first_by_filter_and_page(orders: Tenant) -> None:
    dataset = orders.new_dataset(orders.new_connection()["id"], "ORDERS", ["row_count > 0"])
    made = [orders.run(dataset["id"])["id"] for _ in range(3)]
    first = orders.api.get("/runs", dataset_id=dataset["id"], state="SUCCEEDED", verdict="PASS", page_size=2)
    rest = orders.api.get(
        "/runs", dataset_id=dataset["id"], state="SUCCEEDED", verdict="PASS", page_size=2, page_token=first["next_page_token"]
    )
    assert [run["id"] for run in first["runs"] + rest["runs"]] == made[::-1]
    assert rest["next_page_token"] == ""
    assert orders.api.get("/runs", dataset_id=dataset["id"], verdict="FAIL")["runs"] == []


def test_watch_streams_the_run_until_it_has_ended(orders: Tenant) -> None:
    dataset = orders.new_dataset(orders.new_connection()["id"], "ORDERS", ["row_count > 0"])
    run = orders.api.post(f"/datasets/{dataset['id']}/trigger")
    with orders.api.http() as http, http.stream("GET", f"/runs/{run['id']}/watch") as answer:
        messages = [json.loads(line) for line in answer.iter_lines() if line.strip()]
    assert messages[-1]["done"] is True
    assert messages[-1]["run"]["state"] == "SUCCEEDED"
    assert len(messages[-1]["run"]["checks"]) == 1


def test_preview_answers_a_run_and_stores_nothing(orders: Tenant) -> None:
    connection = orders.new_connection()
    run = orders.api.post(
        "/checks/preview",
        {"connection_id": connection["id"], "checks_yaml": "checks for ORDERS:\n  - row_count > ${least}\n", "variables": {"least": "5"}},
    )
    assert (run["state"], run["verdict"], run["checks"][0]["measured_value"]) == ("SUCCEEDED", "FAIL", 3)
    assert orders.api.get("/runs")["runs"] == []


def test_preview_gives_a_misspelt_check_its_own_error_beside_its_neighbours(orders: Tenant) -> None:
    text = "checks for ORDERS:\n  - row_count = 3\n  - missing_cuont(email) = 0\n  - missing_count(email) = 0\n"
    run = orders.api.post("/checks/preview", {"connection_id": orders.new_connection()["id"], "checks_yaml": text})
    assert [(check["line"], check["verdict"]) for check in run["checks"]] == [(2, "PASS"), (3, "ERROR"), (4, "FAIL")]
    assert "missing_cuont" in run["checks"][1]["message"]


def test_failed_rows_are_kept_only_when_the_dataset_asks(orders: Tenant) -> None:
    connection = orders.new_connection()
    dataset = orders.new_dataset(
        connection["id"],
        "ORDERS",
        "checks for ORDERS:\n  - failed rows:\n      fail condition: amount < 0\n",
        samples={"limit": 5, "excluded_columns": ["email"]},
    )
    run = orders.run(dataset["id"])
    (kept,) = orders.api.get(f"/runs/{run['id']}/failed-rows")["failed_rows"]
    assert [name.lower() for name in kept["columns"]] == ["id", "amount", "created_at"]
    assert kept["rows"][0]["values"][0]["text"] == "2"
    silent = orders.api.post(
        "/datasets", {"name": "silent", "connection_id": connection["id"], "table": "ORDERS", "checks_yaml": dataset["checks_yaml"]}
    )
    assert orders.api.get(f"/runs/{orders.run(silent['id'])['id']}/failed-rows")["failed_rows"] == []


def test_schedule_is_set_read_and_removed(orders: Tenant) -> None:
    dataset = orders.new_dataset(orders.new_connection()["id"], "ORDERS", ["row_count > 0"])
    path = f"/datasets/{dataset['id']}/schedule"
    answer = orders.api.call("PUT", path, {"cron": "30 6 * * 1-5", "timezone": "Europe/Vienna"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["next_run_time"]
    assert orders.api.get(path)["cron"] == "30 6 * * 1-5"
    refused = orders.api.call("DELETE", f"/datasets/{dataset['id']}")
    assert (refused.status_code, reason(refused)) == (400, "RESOURCE_IN_USE")
    assert orders.api.call("DELETE", path).status_code == 200
    assert orders.api.call("GET", path).status_code == 404
    assert orders.api.call("DELETE", f"/datasets/{dataset['id']}").status_code == 200


def test_cancelled_run_ends_cancelled(orders: Tenant) -> None:
    dataset = orders.new_dataset(orders.new_connection()["id"], "ORDERS", ["row_count > 0"])
    run = orders.api.post(f"/datasets/{dataset['id']}/trigger")
    answer = orders.api.call("POST", f"/runs/{run['id']}/cancel", {})
    ended = orders.await_run(run["id"])
    if answer.status_code == 200:
        assert ended["state"] in {"CANCELLED", "SUCCEEDED"}
    else:
        assert (reason(answer), ended["state"]) == ("RUN_ENDED", "SUCCEEDED")


def test_two_editors_do_not_overwrite_each_other(orders: Tenant) -> None:
    dataset = orders.new_dataset(orders.new_connection()["id"], "ORDERS", ["row_count > 0"])
    path = f"/datasets/{dataset['id']}"
    first = orders.api.call("PATCH", path, {"owner": "ada", "etag": dataset["etag"]})
    assert first.status_code == 200, first.text
    second = orders.api.call("PATCH", path, {"owner": "bob", "etag": dataset["etag"]})
    assert (second.status_code, reason(second)) == (409, "ETAG_MISMATCH")
    assert orders.api.get(path)["owner"] == "ada"


def test_every_change_and_denied_call_is_in_the_audit_trail(orders: Tenant) -> None:
    connection = orders.new_connection()
    denied = orders.as_role("viewer").call("DELETE", f"/connections/{connection['id']}")
    assert (denied.status_code, reason(denied)) == (403, "PERMISSION_DENIED")
    events = orders.api.get("/audit-events")["audit_events"]
    assert {(event["action"].rsplit(".", 1)[-1], event["outcome"]) for event in events} >= {
        ("CreateConnection", "ALLOWED"),
        ("DeleteConnection", "DENIED"),
    }
    assert "reader" not in json.dumps([event.get("after", {}).get("password") for event in events])


def test_api_key_works_until_it_is_revoked(orders: Tenant, suite: Suite) -> None:
    from tests.e2e.suite import Api

    key = orders.api.post("/api-keys", {"name": "pipeline", "role": "editor"})
    machine = Api(suite.gateway, **{"x-api-key": key["key"]})
    dataset = orders.new_dataset(orders.new_connection()["id"], "ORDERS", ["row_count > 0"])
    run = machine.post(f"/datasets/{dataset['id']}/trigger")
    assert run["trigger"] == "API"
    assert orders.api.call("DELETE", f"/api-keys/{key['id']}").status_code == 200
    assert Api(suite.gateway, **{"x-api-key": key["key"] + "x"}).call("GET", "/datasets").status_code == 401

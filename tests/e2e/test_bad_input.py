"""Bad input through REST: each gets a clear error that names the field or the line, and changes nothing."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.e2e.suite import Api, Suite, Tenant, reason, violations

pytestmark = pytest.mark.timeout(180)

NO_ONE = "01930000-0000-7000-8000-000000000000"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join('*' + chr(97 + n) for _ in range(9))}]\n" for n in range(8)
)

BAD_CHECKS = {
    "malformed": ("checks for orders:\n  - row_count > 0\n bad indent: [", "line 3"),
    "both forms mixed": ("checks:\n  orders:\n    - row_count > 0\nchecks for customers:\n  - row_count > 0\n", "form"),
    "alias bomb": (BOMB, "alias"),
    "deep nesting": ("checks for orders:\n  - " + "[" * 500 + "]" * 500 + "\n", "deep"),
    "unknown check": ("checks for orders:\n  - row_count > 0\n  - missing_cuont(email) = 0\n", "line 3"),
    "empty suite": ("checks for orders: []\n", "check"),
    "no checks at all": ("{}\n", "check"),
    "a list": ("- row_count > 0\n", "line 1"),
    "jinja": ("checks for orders:\n  - row_count > {{ 7 * 7 }}\n", "line 2"),
    "sql file": ("checks for orders:\n  - failed rows:\n      fail query sql_file: /etc/passwd\n", "sql_file"),
}


@pytest.fixture(scope="module")
def acme(suite: Suite) -> Tenant:
    tenant = suite.new_tenant()
    tenant.execute("CREATE TABLE orders (id INT, email VARCHAR)")
    return tenant


@pytest.fixture(scope="module")
def connection(acme: Tenant) -> dict[str, Any]:
    return acme.new_connection()


@pytest.mark.parametrize(("text", "named"), BAD_CHECKS.values(), ids=BAD_CHECKS.keys())
def test_bad_checks_are_refused_on_save_and_by_validate_alike(acme: Tenant, connection: dict[str, Any], text: str, named: str) -> None:
    body = {"name": "bad", "connection_id": connection["id"], "table": "ORDERS", "checks_yaml": text}
    answer = acme.api.call("POST", "/datasets", body)
    assert (answer.status_code, reason(answer)) == (400, "INVALID_CHECKS"), answer.text
    assert named in json.dumps(violations(answer)).lower(), answer.text
    validated = acme.api.post("/checks/validate", {"checks_yaml": text})
    assert validated["valid"] is False
    assert validated["errors"]
    assert acme.api.get("/datasets", name="bad")["datasets"] == []


@pytest.mark.parametrize("text", ["", "   \n", "checks for orders:\n"])
def test_validate_says_that_an_empty_suite_is_an_error(acme: Tenant, text: str) -> None:
    validated = acme.api.call("POST", "/checks/validate", {"checks_yaml": text}).json()
    assert validated["valid"] is False
    assert validated["errors"][0]["message"]


def test_checks_over_their_size_are_refused(acme: Tenant, connection: dict[str, Any]) -> None:
    big = "checks for orders:\n" + "  - row_count > 0\n" * 20_000
    answer = acme.api.call("POST", "/datasets", {"name": "big", "connection_id": connection["id"], "table": "ORDERS", "checks_yaml": big})
    assert answer.status_code == 400, answer.text[:300]
    assert "256" in json.dumps(violations(answer))


def test_body_over_the_limit_is_refused_in_json(acme: Tenant, connection: dict[str, Any]) -> None:
    answer = acme.api.call("POST", "/checks/validate", {"checks_yaml": "x" * 1_100_000})
    assert answer.status_code == 413
    assert answer.json()["message"]


@pytest.mark.parametrize(
    ("cron", "zone"),
    [
        ("0 0 30 2 *", "UTC"),
        ("every day", "UTC"),
        ("* * * * * *", "UTC"),
        ("61 * * * *", "UTC"),
        ("0 6 * * *", "Mars/Olympus"),
        ("", "UTC"),
    ],
)
def test_schedule_that_cannot_fire_is_refused(acme: Tenant, connection: dict[str, Any], cron: str, zone: str) -> None:
    dataset = _dataset(acme, connection)
    answer = acme.api.call("PUT", f"/datasets/{dataset['id']}/schedule", {"cron": cron, "timezone": zone})
    assert answer.status_code == 400, answer.text
    assert any("cron" in field or "timezone" in field for field in violations(answer)), answer.text


def test_page_token_of_another_list_is_refused(acme: Tenant, connection: dict[str, Any]) -> None:
    _dataset(acme, connection)
    acme.new_dataset(connection["id"], "ORDERS", ["row_count > 0"], name=f"second-{time.time_ns()}")
    token = acme.api.get("/datasets", page_size=1)["next_page_token"]
    assert token
    for path, query in (("/runs", {}), ("/connections", {}), ("/datasets", {"owner": "x"}), ("/audit-events", {})):
        answer = acme.api.call("GET", path, params={"page_token": token, **query})
        assert (answer.status_code, reason(answer)) == (400, "INVALID_PAGE_TOKEN"), f"{path}: {answer.text}"
    assert acme.api.call("GET", "/datasets", params={"page_token": "garbage"}).status_code == 400


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 10_000}, "name"),
        ({"name": "Ünïcode 🦆"}, "name"),
        ({"name": "quo'te"}, "name"),
        ({}, "name"),
    ],
    ids=["empty", "long", "emoji", "quote", "absent"],
)
@pytest.mark.parametrize("kind", ["tenants", "connections", "datasets"])
def test_bad_names_are_refused_by_field(
    acme: Tenant, connection: dict[str, Any], suite: Suite, kind: str, body: dict[str, Any], field: str
) -> None:
    fields = {
        "tenants": {},
        "connections": {"snowflake": acme.snowflake},
        "datasets": {"connection_id": connection["id"], "table": "ORDERS", "checks_yaml": "checks for ORDERS:\n  - row_count > 0\n"},
    }
    api = suite.admin if kind == "tenants" else acme.api
    answer = api.call("POST", f"/{kind}", {**fields[kind], **body})
    assert answer.status_code == 400, answer.text
    assert any(field in name or field in text for name, text in violations(answer).items()), answer.text


def test_wrong_types_and_unknown_enums_are_refused(acme: Tenant, connection: dict[str, Any]) -> None:
    dataset = _dataset(acme, connection)
    wrong = acme.api.call("POST", "/datasets", {"name": 7, "connection_id": [], "table": {}})
    assert (wrong.status_code, wrong.json()["code"]) == (400, 3)
    assert acme.api.call("POST", f"/datasets/{dataset['id']}/trigger", {"kinds": ["SPELLING"]}).status_code == 400
    assert acme.api.call("GET", "/runs", params={"state": "DREAMING"}).status_code == 400
    assert acme.api.call("GET", "/runs", params={"colour": "blue"}).status_code == 400


def test_malformed_json_is_refused(acme: Tenant) -> None:
    with acme.api.http() as http:
        answer = http.post("/checks/validate", content=b'{"checks_yaml": ', headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, 3)


def test_unknown_paths_answer_in_json(acme: Tenant) -> None:
    answer = acme.api.call("GET", "/nothing/here")
    assert (answer.status_code, answer.json()["code"]) == (404, 5)


def test_duplicate_name_is_refused_and_the_first_stays(acme: Tenant, connection: dict[str, Any]) -> None:
    answer = acme.api.call("POST", "/connections", {"name": "emulator", "snowflake": acme.snowflake})
    assert (answer.status_code, reason(answer)) == (409, "NAME_TAKEN")
    assert acme.api.get("/connections", name="emulator")["connections"][0]["id"] == connection["id"]


def test_unreachable_host_and_wrong_password_are_told_apart(acme: Tenant, suite: Suite) -> None:
    unreachable = acme.api.post("/connections", {"name": "nowhere", "snowflake": {**acme.snowflake, "port": 1}})
    answer = acme.api.post(f"/connections/{unreachable['id']}/test")
    assert answer["ok"] is False
    assert answer["error"]
    postgres = suite.status()["postgres"]
    body = {
        "host": postgres["host"],
        "port": postgres["port"],
        "database": "chalkandduster",
        "user": "registry_app",
        "password": "s3cret-but-not-right",
        "sslmode": "disable",
    }
    wrong = acme.api.post("/connections", {"name": "wrong-password", "postgres": body})
    refused = acme.api.post(f"/connections/{wrong['id']}/test")
    assert refused["ok"] is False
    assert "password" in refused["error"].lower()
    assert "s3cret" not in refused["error"]


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1", "0.0.0.0", "[::ffff:169.254.169.254]", "2852039166"])  # noqa: S104 - refused addresses
def test_host_outside_the_egress_policy_is_refused(acme: Tenant, host: str) -> None:
    answer = acme.api.call("POST", "/connections", {"name": "inside", "snowflake": {**acme.snowflake, "host": host}})
    assert answer.status_code == 400, answer.text
    assert any("host" in field for field in violations(answer)), answer.text
    assert acme.api.get("/connections", name="inside")["connections"] == []


def test_unknown_table_and_column_are_verdicts_not_failures(acme: Tenant, connection: dict[str, Any]) -> None:
    dataset = acme.new_dataset(connection["id"], "NOT_THERE", ["row_count > 0", "missing_count(email) = 0"], name=f"gone-{time.time_ns()}")
    run = acme.run(dataset["id"])
    assert (run["state"], run["verdict"]) == ("SUCCEEDED", "ERROR")
    assert [check["verdict"] for check in run["checks"]] == ["ERROR", "ERROR"]
    assert all("not_there" in check["message"].lower() for check in run["checks"])


def test_bad_tokens_are_refused(acme: Tenant, suite: Suite) -> None:
    good = suite.token("tenant_admin", acme.name)
    claims = jwt.decode(good, options={"verify_signature": False})
    header = jwt.get_unverified_header(good)
    forger = Ed25519PrivateKey.generate()
    unsigned = (
        ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "none", "typ": "JWT"}, claims)
        )
        + "."
    )
    bad = {
        "forged": jwt.encode(claims, forger, "EdDSA", headers={"kid": header["kid"]}),
        "unknown key": jwt.encode(claims, forger, "EdDSA", headers={"kid": "nobody"}),
        "alg none": unsigned,
        "tampered": good[:-6] + "AAAAAA",
        "garbage": "garbage",
        "missing": "",
    }
    for name, token in bad.items():
        answer = Api(suite.gateway, token).call("GET", "/datasets")
        assert (answer.status_code, answer.json()["code"]) == (401, 16), f"{name}: {answer.status_code} {answer.text}"
        assert answer.json()["message"], name


def test_expired_token_is_refused(acme: Tenant, suite: Suite) -> None:
    token = suite.token("viewer", acme.name, expires="1s")
    time.sleep(2)
    answer = Api(suite.gateway, token).call("GET", "/datasets")
    assert answer.status_code == 401
    assert "expired" in answer.json()["message"].lower()


def test_another_tenants_ids_are_not_found(acme: Tenant, connection: dict[str, Any], suite: Suite) -> None:
    dataset = _dataset(acme, connection)
    run = acme.run(dataset["id"])
    stranger = suite.new_tenant()
    calls = [
        ("GET", f"/connections/{connection['id']}", None),
        ("PATCH", f"/connections/{connection['id']}", {"description": "mine"}),
        ("DELETE", f"/connections/{connection['id']}", None),
        ("POST", f"/connections/{connection['id']}/test", {}),
        ("GET", f"/datasets/{dataset['id']}", None),
        ("PATCH", f"/datasets/{dataset['id']}", {"owner": "mine"}),
        ("DELETE", f"/datasets/{dataset['id']}", None),
        ("POST", f"/datasets/{dataset['id']}/trigger", {}),
        ("PUT", f"/datasets/{dataset['id']}/schedule", {"cron": "0 6 * * *"}),
        ("GET", f"/datasets/{dataset['id']}/schedule", None),
        ("GET", f"/runs/{run['id']}", None),
        ("POST", f"/runs/{run['id']}/cancel", {}),
        ("GET", f"/runs/{run['id']}/failed-rows", None),
        ("GET", f"/tenants/{acme.id}", None),
        ("POST", "/checks/preview", {"connection_id": connection["id"], "checks_yaml": "checks for orders:\n  - row_count > 0\n"}),
        (
            "POST",
            "/datasets",
            {
                "name": "theirs",
                "connection_id": connection["id"],
                "table": "ORDERS",
                "checks_yaml": "checks for ORDERS:\n  - row_count > 0\n",
            },
        ),
    ]
    for method, path, body in calls:
        answer = stranger.api.call(method, path, body)
        assert answer.status_code == 404, f"{method} {path}: {answer.status_code} {answer.text}"
    assert acme.api.get(f"/connections/{connection['id']}") == connection
    assert acme.api.get(f"/datasets/{dataset['id']}")["owner"] == ""


def test_naming_another_tenant_needs_a_platform_admin(acme: Tenant, suite: Suite) -> None:
    stranger = suite.new_tenant()
    smuggled = Api(suite.gateway, suite.token("tenant_admin", stranger.name), **{"x-tenant-id": acme.id})
    assert smuggled.call("GET", "/connections").status_code == 403
    unnamed = suite.admin.call("GET", "/connections")
    assert (unnamed.status_code, reason(unnamed)) == (400, "TENANT_REQUIRED")
    named = Api(suite.gateway, suite.token("platform_admin"), **{"x-tenant-id": acme.id})
    assert named.get("/connections")["connections"]


def _dataset(tenant: Tenant, connection: dict[str, Any]) -> dict[str, Any]:
    found = tenant.api.get("/datasets", name="orders")["datasets"]
    return dict(found[0]) if found else tenant.new_dataset(connection["id"], "ORDERS", ["row_count >= 0"])

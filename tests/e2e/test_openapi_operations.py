"""Every operation of the OpenAPI document is called, well and badly, and each answer is held against the document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import jsonschema
import pytest

from tests.e2e.suite import Api, Suite, Tenant, reason

pytestmark = pytest.mark.timeout(180)

NO_ONE = "01930000-0000-7000-8000-000000000000"
CHECKS = "checks for ORDERS:\n  - row_count > 0\n  - duplicate_count(id) = 0\n"
# What this suite runs; operations of other services are described but not routed yet.
SERVICES = ("registry", "quality")


@dataclass
class Described:
    """The document, and which operations were seen to answer well and to refuse."""

    document: dict[str, Any]
    good: set[str] = field(default_factory=set)
    bad: set[str] = field(default_factory=set)

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Path, verb and description of each operation of the running services."""
        for path, verbs in self.document["paths"].items():
            for verb, operation in verbs.items():
                if isinstance(operation, dict) and operation.get("x-grpc-method", "").split(".")[1:2] in [[name] for name in SERVICES]:
                    yield path, verb, operation

    def check(self, answer: httpx.Response) -> httpx.Response:
        """The answer, whose status and body the document describes."""
        request = answer.request
        operation = self._operation(request.method.lower(), request.url.path)
        said = f"{request.method} {request.url.path}: {answer.status_code} {answer.text[:500]}"
        assert str(answer.status_code) in operation["responses"], said
        response = operation["responses"][str(answer.status_code)]
        while "$ref" in response:
            response = self.document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
        schema = {**response["content"]["application/json"]["schema"], "components": self.document["components"]}
        for line in answer.text.splitlines() if operation["operationId"] == "watchRun" else [answer.text]:
            jsonschema.Draft202012Validator(schema).validate(json.loads(line))
        (self.bad if answer.is_error else self.good).add(operation["operationId"])
        if answer.is_error:
            assert reason(answer), f"no ErrorInfo: {said}"
            assert answer.json()["message"], said
        assert answer.headers["x-request-id"], said
        return answer

    def _operation(self, verb: str, path: str) -> dict[str, Any]:
        found = [
            (template.count("{"), operation)
            for template, other, operation in self.operations()
            if other == verb and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path)
        ]
        assert found, f"the document has no {verb} {path}"
        return min(found, key=lambda one: one[0])[1]


@pytest.fixture(scope="module")
def described(suite: Suite) -> Described:
    return Described(httpx.get(f"{suite.gateway}/openapi.json", trust_env=False).json())


@pytest.fixture(scope="module")
def acme(suite: Suite) -> Tenant:
    tenant = suite.new_tenant()
    tenant.execute("CREATE TABLE orders (id INT)", "INSERT INTO orders VALUES (1), (1)")
    return tenant


def test_each_operation_answers_as_described(suite: Suite, acme: Tenant, described: Described) -> None:
    _tenants(suite, described)
    connection = _connections(acme, described)
    _datasets_and_runs(acme, described, connection)
    _keys_and_trail(acme, described)
    described.check(Api(suite.gateway).call("GET", "/health"))
    assert {operation["operationId"] for _, _, operation in described.operations()} - described.good == set()


def test_each_operation_refuses_as_described(suite: Suite, acme: Tenant, described: Described) -> None:
    stranger, expired, viewer = Api(suite.gateway), Api(suite.gateway, "a.b.c"), acme.as_role("viewer")
    for path, verb, operation in described.operations():
        if operation.get("security") == []:
            continue  # open to everybody: nothing to refuse
        concrete = re.sub(r"\{[^}]+\}", NO_ONE, path).removeprefix("/api/v1")
        for caller in (stranger, expired):
            assert described.check(caller.call(verb.upper(), concrete)).status_code == 401
        if "{" in path:
            assert described.check(acme.api.call(verb.upper(), concrete.replace(NO_ONE, "7"), _body(verb))).status_code in (400, 403)
        described.check(viewer.call(verb.upper(), concrete, _body(verb)))
        if "requestBody" in operation:
            assert described.check(acme.api.call(verb.upper(), concrete, "not an object")).status_code == 400
    everything = {operation["operationId"] for _, _, operation in described.operations() if operation.get("security") != []}
    assert everything - described.bad == set()


def _body(verb: str) -> dict[str, Any] | None:
    return {} if verb in ("post", "put", "patch") else None


def _tenants(suite: Suite, described: Described) -> None:
    body = {"name": "openapi", "quotas": {"max_datasets": 3}, "request_id": "openapi-1"}
    made = described.check(suite.admin.call("POST", "/tenants", body)).json()
    assert described.check(suite.admin.call("POST", "/tenants", body)).json() == made
    described.check(suite.admin.call("POST", "/tenants", {"name": "openapi"}))
    described.check(suite.admin.call("GET", "/tenants"))
    described.check(suite.admin.call("GET", f"/tenants/{made['id']}"))
    described.check(suite.admin.call("PATCH", f"/tenants/{made['id']}", {"display_name": "Ü 🦆"}))
    described.check(suite.admin.call("DELETE", f"/tenants/{made['id']}"))
    described.check(suite.admin.call("GET", "/connections"))


def _connections(acme: Tenant, described: Described) -> str:
    api, check = acme.api, described.check
    connection = check(api.call("POST", "/connections", {"name": "emulator", "snowflake": acme.snowflake})).json()
    postgres = {"host": "127.0.0.1", "port": 1, "database": "d", "user": "u", "password": "p"}
    other = check(api.call("POST", "/connections", {"name": "other", "postgres": postgres})).json()
    check(api.call("GET", "/connections"))
    check(api.call("GET", f"/connections/{other['id']}"))
    check(api.call("PATCH", f"/connections/{other['id']}", {"description": "x"}))
    check(api.call("PATCH", f"/connections/{other['id']}", {"description": "y", "etag": "1"}))
    check(api.call("POST", f"/connections/{other['id']}/test", {}))
    check(api.call("POST", f"/connections/{connection['id']}/test", {}))
    check(api.call("DELETE", f"/connections/{other['id']}"))
    return str(connection["id"])


def _datasets_and_runs(acme: Tenant, described: Described, connection: str) -> None:
    api, check = acme.api, described.check
    body = {"name": "orders", "connection_id": connection, "table": "ORDERS", "checks_yaml": CHECKS, "tags": ["a"]}
    dataset = check(api.call("POST", "/datasets", {**body, "samples": {"limit": 1}, "variables": {"a": "b"}})).json()["id"]
    check(api.call("POST", "/datasets", {**body, "name": "bad", "checks_yaml": "checks for a:\n  - nonsense\n"}))
    check(api.call("GET", "/datasets"))
    check(api.call("GET", f"/datasets/{dataset}"))
    check(api.call("PATCH", f"/datasets/{dataset}", {"owner": "x"}))
    for text in (CHECKS, "checks for a:\n  - nonsense\n", ""):
        check(api.call("POST", "/checks/validate", {"checks_yaml": text}))
        check(api.call("POST", "/checks/preview", {"connection_id": connection, "checks_yaml": text}))
    check(api.call("PUT", f"/datasets/{dataset}/schedule", {"cron": "0 6 * * *"}))
    check(api.call("PUT", f"/datasets/{dataset}/schedule", {"cron": "never"}))
    check(api.call("GET", f"/datasets/{dataset}/schedule"))
    check(api.call("DELETE", f"/datasets/{dataset}"))
    check(api.call("DELETE", f"/datasets/{dataset}/schedule"))
    _runs(acme, described, dataset)
    check(api.call("DELETE", f"/connections/{connection}"))
    check(api.call("DELETE", f"/datasets/{dataset}"))


def _runs(acme: Tenant, described: Described, dataset: str) -> None:
    api, check = acme.api, described.check
    run = check(api.call("POST", f"/datasets/{dataset}/trigger", {})).json()["id"]
    check(api.call("GET", f"/runs/{run}/watch"))
    assert check(api.call("GET", f"/runs/{run}")).json()["verdict"] == "FAIL"
    check(api.call("GET", f"/runs/{run}/failed-rows"))
    check(api.call("GET", "/runs"))
    check(api.call("POST", f"/runs/{run}/cancel", {}))
    acme.await_run(_cancelled(acme, described, dataset))


def _cancelled(acme: Tenant, described: Described, dataset: str) -> str:
    """A run that was still there to be cancelled: on a fast machine the first may have ended before."""
    for _ in range(20):
        run = str(acme.api.post(f"/datasets/{dataset}/trigger")["id"])
        if described.check(acme.api.call("POST", f"/runs/{run}/cancel", {})).is_success:
            return run
    raise AssertionError("no run was caught before its end")


def _keys_and_trail(acme: Tenant, described: Described) -> None:
    api, check = acme.api, described.check
    key = check(api.call("POST", "/api-keys", {"name": "k", "role": "viewer", "expire_time": "2999-01-01T00:00:00Z"})).json()
    check(api.call("POST", "/api-keys", {"name": "k2", "role": "platform_admin"}))
    machine = Api(acme.suite.gateway, **{"x-api-key": key["key"]})
    for path in ("/datasets", "/runs"):
        assert check(machine.call("GET", path)).status_code == 200
    check(api.call("GET", "/api-keys"))
    check(api.call("DELETE", f"/api-keys/{key['id']}"))
    for path in ("/datasets", "/runs"):
        assert check(machine.call("GET", path)).status_code == 401, "revoked, and every service knows"
    check(api.call("GET", "/audit-events"))

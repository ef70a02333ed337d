"""The running suite as its users meet it: the gateway's port, tokens from the CLI, tables in the warehouse."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import snowflake.connector

CLI = str(Path(sys.executable).with_name("chalkandduster"))
END_STATES = frozenset({"SUCCEEDED", "ERRORED", "CANCELLED"})
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Suite:
    """A suite that was started with `chalkandduster up --detach`."""

    state: Path
    gateway: str

    def cli(self, *arguments: str, check: bool = True, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Runs the CLI against this suite; raises AssertionError with what it printed when it fails."""
        import os

        variables = {**os.environ, "CHALKANDDUSTER_STATE": str(self.state), "CHALKANDDUSTER_GATEWAY": self.gateway, **(environment or {})}
        done = subprocess.run([CLI, *arguments], env=variables, capture_output=True, text=True, timeout=120, check=False)
        if check:
            assert done.returncode == 0, f"chalkandduster {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.cli("status", "--json", "--state", str(self.state)).stdout))

    @cached_property
    def warehouse(self) -> dict[str, Any]:
        """Host, port, database and schema of the emulator."""
        return dict(self.status()["warehouse"])

    @cached_property
    def admin(self) -> Api:
        return Api(self.gateway, self.token("platform_admin"))

    def token(self, role: str, tenant: str = "", expires: str = "1h") -> str:
        named = ["--tenant", tenant] if tenant else []
        return self.cli("token", *named, "--role", role, "--expires", expires, "--state", str(self.state)).stdout.strip()

    def new_tenant(self, **fields: Any) -> Tenant:
        """A tenant of one's own, with a schema of its own in the warehouse."""
        name = f"t{uuid.uuid4().hex[:12]}"
        body = self.admin.post("/tenants", {"name": name, **fields})
        return Tenant(self, body["id"], name, f"S_{name.upper()}")


class Api:
    """REST calls of one caller."""

    def __init__(self, gateway: str, token: str = "", **headers: str) -> None:
        bearer = {"authorization": f"Bearer {token}"} if token else {}
        self._options: dict[str, Any] = {"base_url": f"{gateway}/api/v1", "headers": {**bearer, **headers}}

    def http(self) -> httpx.Client:
        """A connection of one's own, to be closed."""
        return httpx.Client(**self._options, timeout=60, trust_env=False, verify=False)  # noqa: S501 - plain http on loopback

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        with self.http() as client:
            return client.request(method, path, json=body, **options)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self._expect_ok(self.call("GET", path, params=query))

    def post(self, path: str, body: Any = None) -> dict[str, Any]:
        return self._expect_ok(self.call("POST", path, body if body is not None else {}))

    def _expect_ok(self, answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == 200, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
        return dict(answer.json())


@dataclass(frozen=True)
class Tenant:
    """One tenant, its callers, and its schema in the warehouse."""

    suite: Suite
    id: str
    name: str
    schema: str

    @cached_property
    def api(self) -> Api:
        return self.as_role("tenant_admin")

    def as_role(self, role: str) -> Api:
        return Api(self.suite.gateway, self.suite.token(role, self.name))

    def execute(self, *statements: str) -> None:
        """Runs SQL in the tenant's schema of the warehouse, which is made at the first call."""
        warehouse = self.suite.warehouse
        with closing(
            snowflake.connector.connect(
                account="local",
                user="loader",
                password="loader",
                host=warehouse["host"],
                port=warehouse["port"],
                protocol="http",
                database=warehouse["database"],
                schema=warehouse["schema"],
                login_timeout=10,
                network_timeout=60,
                platform_detection_timeout_seconds=0,
            )
        ) as connection:
            cursor = connection.cursor()
            for statement in (f"CREATE SCHEMA IF NOT EXISTS {self.schema}", f"USE SCHEMA {self.schema}", *statements):
                cursor.execute(statement)

    @property
    def snowflake(self) -> dict[str, Any]:
        warehouse = self.suite.warehouse
        return {
            "account": "local",
            "user": "reader",
            "password": "reader",
            "host": warehouse["host"],
            "port": warehouse["port"],
            "protocol": "http",
            "database": warehouse["database"],
            "schema": self.schema,
        }

    def new_connection(self, name: str = "emulator", **changes: Any) -> dict[str, Any]:
        return self.api.post("/connections", {"name": name, "snowflake": {**self.snowflake, **changes}})

    def new_dataset(self, connection_id: str, table: str, checks: Sequence[str] | str, **fields: Any) -> dict[str, Any]:
        """A dataset named after its table; `checks` are lines of a list, or a whole text."""
        text = checks if isinstance(checks, str) else "\n".join([f"checks for {table}:", *(f"  - {line}" for line in checks)]) + "\n"
        return self.api.post(
            "/datasets", {"name": table.lower(), "connection_id": connection_id, "table": table, "checks_yaml": text, **fields}
        )

    def run(self, dataset_id: str, **body: Any) -> dict[str, Any]:
        """Triggers a run and waits for its end."""
        return self.await_run(self.api.post(f"/datasets/{dataset_id}/trigger", body)["id"])

    def await_run(self, run_id: str, seconds: float = _PATIENCE_S) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            run = self.api.get(f"/runs/{run_id}")
            if run["state"] in END_STATES:
                return run
            assert time.monotonic() < deadline, f"run {run_id} has not ended: {run}"
            time.sleep(0.05)


def violations(answer: httpx.Response) -> dict[str, str]:
    """Field → description of every violation of an error."""
    found: dict[str, str] = {}
    for detail in answer.json().get("details", []):
        for violation in detail.get("field_violations", detail.get("fieldViolations", [])):
            found[violation["field"]] = violation["description"]
    return found


def reason(answer: httpx.Response) -> str:
    """The `ErrorInfo.reason` of an error; empty when it has none."""
    return next((str(detail["reason"]) for detail in answer.json().get("details", []) if "reason" in detail), "")

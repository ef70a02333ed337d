"""Registers the emulator's tables as a tenant would: tenant, connection, datasets; then runs their checks."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from chalkandduster.demo.rest import Rest
from chalkandduster.local import tokens
from chalkandduster.local.report import SuiteStatus
from chalkandduster.local.supervisor import Say, SuiteError

RUN_LIMIT_S = 300.0
_TOKEN_LIFETIME = timedelta(hours=1)


class Registrar:
    """Works in one tenant of a running suite; a context manager. Every method raises SuiteError."""

    def __init__(self, suite: SuiteStatus, tenant: str, say: Say) -> None:
        self._suite = suite
        self._say = say
        gateway, state = str((suite.gateway or {})["url"]), Path(suite.directory)
        admin = tokens.mint(state, tenant_id=None, role="platform_admin", lifetime=_TOKEN_LIFETIME)
        with Rest(gateway, admin) as platform:
            self.tenant = platform.named("tenants", tenant) or platform.call("POST", "/tenants", {"name": tenant})
        token = tokens.mint(state, tenant_id=self.tenant["id"], role="tenant_admin", lifetime=_TOKEN_LIFETIME)
        self.rest = Rest(gateway, token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.rest.close()

    def connect(self, name: str) -> str:
        """Register the emulator as a Snowflake connection and try it; its id."""
        fields = ("account", "user", "password", "host", "port", "protocol", "database", "schema")
        settings = {field: (self._suite.warehouse or {})[field] for field in fields}
        connection = self.rest.ensure("connections", {"name": name, "snowflake": settings})
        tried = self.rest.call("POST", f"/connections/{connection['id']}/test", {})
        if not tried.get("ok"):
            raise SuiteError(f"the connection to the warehouse does not work: {tried.get('error')}")
        self._say(f"connection {name} works ({float(tried.get('latency_ms', 0)):.0f} ms)")
        return str(connection["id"])

    def dataset(self, name: str, connection_id: str, table: str, checks_yaml: str) -> str:
        """Register a table with its checks; its id."""
        body = {"name": name, "connection_id": connection_id, "table": table, "checks_yaml": checks_yaml}
        dataset = self.rest.ensure("datasets", body)
        self._say(f"dataset {name}: {dataset.get('check_count', '?')} checks on table {table}")
        return str(dataset["id"])

    def run(self, dataset_id: str) -> Callable[[], dict[str, Any]]:
        """Trigger the checks; what is returned waits for the run to end and gives it."""
        body = {"kinds": ["QUALITY"], "request_id": uuid.uuid4().hex}
        run = self.rest.call("POST", f"/datasets/{dataset_id}/trigger", body)
        return lambda: self.rest.run_to_its_end(str(run["id"]), RUN_LIMIT_S)

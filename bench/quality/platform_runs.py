"""Ours, measured as a user meets it: from the trigger by REST to the verdict read by REST."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import httpx
import psutil

from bench.quality.cases import Run
from chalkandduster.local import tokens
from chalkandduster.local.suite import Suite


class PlatformRuns:
    """One dataset of a running suite, on the suite's own emulator; call it with a checks text."""

    def __init__(self, suite: Suite, table: str) -> None:
        self._suite = suite
        self._table = table
        self._http = httpx.Client(base_url=f"{suite.gateway_url}/api/v1", timeout=300, trust_env=False)
        self._dataset = ""
        self._wanted: dict[str, Any] = {}
        self._limit = 0

    def __enter__(self) -> Self:
        self._act_in(None, "platform_admin")
        self._act_in(str(self._post("/tenants", {"name": "bench"})["id"]), "tenant_admin")
        return self

    def keep(self, limit: int) -> None:
        """Keep `limit` failed rows a check from now on; at first none are kept."""
        self._limit = limit

    def __call__(self, checks: str) -> Run:
        self._define(checks)
        started = time.perf_counter()
        run_id = self._post(f"/datasets/{self._dataset}/trigger", {})["id"]
        with self._http.stream("GET", f"/runs/{run_id}/watch") as updates:
            for line in updates.iter_lines():
                if line and json.loads(line)["done"]:
                    break
        run = self._http.get(f"/runs/{run_id}").json()
        seconds = time.perf_counter() - started
        return Run(seconds, {check["line"]: check["verdict"] for check in run["checks"]}, self._memory_mb())

    def _define(self, checks: str) -> None:
        wanted = {"checks_yaml": checks, "samples": {"limit": self._limit}}
        if not self._dataset:
            connection = self._post("/connections", {"name": "emulator", "snowflake": self._settings()})
            body = {"name": self._table, "connection_id": connection["id"], "table": self._table, **wanted}
            self._dataset = str(self._post("/datasets", body)["id"])
        elif wanted != self._wanted:
            self._http.patch(f"/datasets/{self._dataset}", json=wanted).raise_for_status()
        self._wanted = wanted

    def _settings(self) -> dict[str, Any]:
        arguments = self._suite.warehouse.connect_args
        return {name: arguments[name] for name in ("account", "user", "password", "database", "schema", "host", "port", "protocol")}

    def _act_in(self, tenant: str | None, role: str) -> None:
        token = tokens.mint(self._suite.state.directory, tenant_id=tenant, role=role, lifetime=timedelta(hours=2))
        self._http.headers["authorization"] = f"Bearer {token}"

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return dict(self._http.post(path, json=body).raise_for_status().json())

    def _memory_mb(self) -> float:
        """The most that one scan process holds: the children of the engine's zygotes."""
        suite = psutil.Process().children(recursive=True)
        zygotes = [process for process in suite if "services.quality.soda.zygote" in " ".join(process.cmdline())]
        return max((process.memory_info().rss for process in zygotes), default=0) / 1024**2

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

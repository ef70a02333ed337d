"""Parts are killed under a run: the suite says so, recovers, and no run is lost or recorded twice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.conftest import running_suite
from tests.e2e.suite import Suite, Tenant

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """A suite of its own: killing its parts must not disturb other tests."""
    with running_suite(tmp_path_factory.mktemp("faults") / "state") as running:
        yield running


@pytest.fixture(scope="module")
def acme(suite: Suite) -> Tenant:
    tenant = suite.new_tenant()
    tenant.execute("CREATE TABLE orders (id INT)", "INSERT INTO orders VALUES (1), (2)")
    return tenant


@pytest.fixture(scope="module")
def dataset(acme: Tenant) -> dict[str, Any]:
    return acme.new_dataset(acme.new_connection()["id"], "ORDERS", ["row_count = 2", "duplicate_count(id) = 0"])


@pytest.mark.parametrize("victim", ["quality", "registry", "postgres", "gateway", "warehouse"])
def test_runs_outlive_the_death_of_a_part(acme: Tenant, dataset: dict[str, Any], suite: Suite, victim: str) -> None:
    path = f"/datasets/{dataset['id']}/trigger"
    _eventually(lambda: acme.api.call("POST", path, {}).status_code == 200, "triggers are taken")
    runs = [acme.api.post(path)["id"] for _ in range(6)]
    killed = _pid(suite, victim)
    os.kill(killed, signal.SIGKILL)
    _eventually(lambda: _pid(suite, victim) not in (0, killed), f"{victim} is started again")
    _eventually(lambda: _is_serving(suite), f"the platform is healthy after {victim} died")
    ended = [_await(acme, run) for run in runs]
    assert [(run["state"], run["verdict"], len(run["checks"])) for run in ended] == [("SUCCEEDED", "PASS", 2)] * 6


def test_save_without_quality_is_refused_and_saves_nothing(acme: Tenant, dataset: dict[str, Any], suite: Suite) -> None:
    stopped = _pid(suite, "quality")
    os.kill(stopped, signal.SIGSTOP)
    try:
        body = {
            "name": "half-done",
            "connection_id": dataset["connection_id"],
            "table": "ORDERS",
            "checks_yaml": "checks for ORDERS:\n  - row_count > 0\n",
        }
        answer = acme.api.call("POST", "/datasets", body)
        assert answer.status_code in (503, 504), answer.text
        assert answer.json()["message"]
    finally:
        os.kill(stopped, signal.SIGCONT)
    assert acme.api.get("/datasets", name="half-done")["datasets"] == []


def _pid(suite: Suite, part: str) -> int:
    """The process id of a part; 0 while it is down."""
    status = suite.status()
    found = status["services"].get(part) or status.get(part) or {}
    return int(found.get("pid") or 0)


def _is_serving(suite: Suite) -> bool:
    answer = suite.admin.call("GET", "/health")
    return answer.status_code == 200 and answer.json()["status"] == "SERVING"


def _await(tenant: Tenant, run_id: str) -> dict[str, Any]:
    """The ended run, through gateway errors on the way."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        answer = tenant.api.call("GET", f"/runs/{run_id}")
        if answer.status_code == 200 and answer.json()["state"] in {"SUCCEEDED", "ERRORED", "CANCELLED"}:
            return dict(answer.json())
        time.sleep(0.2)
    raise AssertionError(f"run {run_id} has not ended: {answer.text}")


def _eventually(holds: Callable[[], bool], claim: str) -> None:
    deadline = time.monotonic() + 60
    while not _holds(holds):
        assert time.monotonic() < deadline, f"not within a minute: {claim}"
        time.sleep(0.2)


def _holds(claim: Callable[[], bool]) -> bool:
    import httpx

    try:
        return claim()
    except httpx.TransportError:
        return False

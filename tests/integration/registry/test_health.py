"""Whether the platform can work, and what the registry does when a part of it cannot."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor_pool import Default
from grpc import StatusCode
from grpc_health.v1 import health_pb2 as grpc_health
from grpc_health.v1 import health_pb2_grpc

from chalkandduster.common.v1 import error_reason_pb2
from chalkandduster.registry.v1 import dataset_pb2, health_pb2
from services.common.access import methods_without_access
from services.common.errors import all_domain_errors
from services.registry.rpc.errors import CATALOG
from services.registry.rpc.servicer import SERVICE_NAME, RegistryServicer
from tests.integration.registry.harness import Registry, refused, running_registry
from tests.support.databases import Database, Databases

SERVING, NOT_SERVING = health_pb2.GetHealthResponse.SERVING, health_pb2.GetHealthResponse.NOT_SERVING


async def health(registry: Registry) -> tuple[int, dict[str, int]]:
    answer = await registry.stub.GetHealth(health_pb2.GetHealthRequest())
    return answer.status, {component.name: component.status for component in answer.components}


async def test_health_needs_no_token_and_names_each_part(registry: Registry) -> None:
    assert await health(registry) == (SERVING, {"quality": SERVING, "registry": SERVING})


async def test_platform_is_not_well_without_quality_and_the_registry_goes_on(registry: Registry) -> None:
    await registry.quality.stop()
    assert await health(registry) == (NOT_SERVING, {"quality": NOT_SERVING, "registry": SERVING})
    probe: Any = health_pb2_grpc.HealthStub(registry.channel)
    assert (await probe.Check(grpc_health.HealthCheckRequest(service=SERVICE_NAME))).status == grpc_health.HealthCheckResponse.SERVING
    assert await registry.tenant()


async def test_lost_database_is_unavailable_and_says_nothing_more(
    registry_database: Database, databases: Databases, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    async with running_registry(registry_database, tmp_path, free_port) as registry:
        editor = registry.as_user("editor", await registry.tenant())
        databases.drop(registry_database)
        error = await refused(registry.stub.ListDatasets(dataset_pb2.ListDatasetsRequest(), metadata=editor))
        assert error.code in (StatusCode.UNAVAILABLE, StatusCode.INTERNAL)
        assert "test_" not in error.message


def test_every_error_has_a_status_and_a_reason_of_the_api() -> None:
    ours = {error for error in all_domain_errors() if error.__module__.startswith(("services.registry.", "services.common.errors"))}
    assert ours == set(CATALOG)
    assert {spec.reason for spec in CATALOG.values()} <= set(error_reason_pb2.ErrorReason.keys())


def test_every_rpc_is_served_and_has_an_access_rule() -> None:
    assert methods_without_access(SERVICE_NAME) == []
    for method in Default().FindServiceByName(SERVICE_NAME).methods:
        assert getattr(RegistryServicer, method.name).__module__.startswith("services.registry.rpc."), method.name


async def test_forged_and_foreign_tokens_are_refused(registry: Registry) -> None:
    tenant_id = await registry.tenant()
    good = dict(registry.as_user("viewer", tenant_id))["authorization"]
    header, payload, _ = good.removeprefix("Bearer ").split(".")
    for token in ("", "nonsense", f"{header}.{payload}.", f"{header}.{payload}.AAAA", f"eyJhbGciOiJub25lIn0.{payload}."):
        call = registry.stub.ListDatasets(dataset_pb2.ListDatasetsRequest(), metadata=(("authorization", f"Bearer {token}"),))
        assert (await refused(call)).code is StatusCode.UNAUTHENTICATED


def test_main_says_how_it_is_called() -> None:
    import subprocess

    done = subprocess.run([sys.executable, "-m", "services.registry.main"], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, "migrate | serve" in done.stderr) == (64, True)
    assert grpc.__version__

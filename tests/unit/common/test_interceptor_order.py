from __future__ import annotations

import json
from pathlib import Path

import pytest
from opentelemetry.metrics import NoOpMeterProvider

from chalkandduster.common.v1 import access_pb2
from chalkandduster.local.keys import SigningKey
from services.common.access import AccessRuleMissing, AccessRules, methods_without_access
from services.common.auth.api_keys import NoApiKeys
from services.common.auth.tokens import TokenVerifier
from services.common.interceptors.base import CallInterceptor
from services.common.interceptors.order import interceptors
from services.common.reflection import api_services
from services.common.rpc_errors import COMMON_CATALOG
from services.common.testing.servers import RecordingAuditSink


@pytest.fixture
def chain(tmp_path: Path) -> list[CallInterceptor]:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(SigningKey.generate().jwks()))
    return list(
        interceptors(
            catalog=COMMON_CATALOG,
            audit=RecordingAuditSink(),
            rules=AccessRules({}),
            tokens=TokenVerifier(file, "issuer", "audience", file),
            api_keys=NoApiKeys(),
            meter=NoOpMeterProvider().get_meter("test"),
        )
    )


def test_the_order_of_the_interceptors_is_the_one_that_the_design_names(chain: list[CallInterceptor]) -> None:
    assert [type(one).__name__.removesuffix("Interceptor") for one in chain] == [
        "RequestId",
        "AccessLog",
        "Metrics",
        "ErrorMapping",
        "Authentication",
        "Permission",
        "Validation",
    ]


@pytest.mark.parametrize("service", api_services())
def test_every_rpc_of_the_api_has_an_access_option(service: str) -> None:
    assert methods_without_access(service) == []


def test_rules_are_by_full_method_name() -> None:
    rules = AccessRules.of_services(["chalkandduster.registry.v1.RegistryService"])
    write = rules.get("/chalkandduster.registry.v1.RegistryService/CreateDataset")
    assert write == access_pb2.Access(permission="datasets.write", scope=access_pb2.Access.TENANT)
    assert rules.is_public("/chalkandduster.registry.v1.RegistryService/GetHealth")
    assert rules.is_public("/grpc.health.v1.Health/Check")
    assert not rules.is_public("/chalkandduster.registry.v1.RegistryService/GetDataset")
    assert not rules.is_public("/chalkandduster.registry.v1.RegistryService/Invented")
    assert rules.get("/chalkandduster.registry.v1.RegistryService/Invented") is None


def test_a_service_with_an_rpc_without_option_does_not_start() -> None:
    # grpc.health.v1 stands for it: none of its RPCs says anything of access.
    from grpc_health.v1 import health_pb2

    name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    assert f"/{name}/Check" in methods_without_access(name)
    with pytest.raises(AccessRuleMissing, match=f"/{name}/Check"):
        AccessRules.of_services([name])

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.contract import Contract
from gateway.render import DESCRIPTOR, fill, render

SERVICES = {"registry": ("127.0.0.1", 5001), "quality": ("quality.internal", 5002)}


def rendered(out_dir: Path, **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "listen_host": "127.0.0.1",
        "listen_port": 8000,
        "admin_port": 9901,
        "services": SERVICES,
        "jwks_file": Path("/etc/jwks.json"),
        "issuer": "https://issuer.example",
        "audience": "chalkandduster",
        "access_log": Path("/dev/stdout"),
        "out_dir": out_dir,
    }
    path = render(**arguments | changes)
    return dict(yaml.safe_load(path.read_text("utf-8")))


def manager(config: dict[str, Any]) -> dict[str, Any]:
    (listener,) = config["static_resources"]["listeners"]
    return dict(listener["filter_chains"][0]["filters"][0]["typed_config"])


def routes(config: dict[str, Any]) -> list[dict[str, Any]]:
    return list(manager(config)["route_config"]["virtual_hosts"][0]["routes"])


def test_every_public_rpc_has_a_route_of_its_own_and_no_internal_one_has(tmp_path: Path) -> None:
    contract = Contract(DESCRIPTOR.read_bytes())
    rpcs = [rpc for name in SERVICES for rpc in contract.rpcs(name)]
    paths = {route["match"].get("path") for route in routes(rendered(tmp_path))}
    assert {rpc.grpc_path for rpc in rpcs if not rpc.internal} <= paths
    assert paths.isdisjoint(rpc.grpc_path for rpc in rpcs if rpc.internal)
    assert any(rpc.internal for rpc in rpcs)


def test_only_reads_are_repeated(tmp_path: Path) -> None:
    repeated = {
        route["match"]["path"].rsplit("/", 1)[1] for route in routes(rendered(tmp_path)) if "retry_policy" in route.get("route", {})
    }
    assert {"GetTenant", "ListRuns"} <= repeated
    assert all(name.startswith(("Get", "List")) for name in repeated)


def test_streams_are_not_cut_at_the_deadline_of_calls(tmp_path: Path) -> None:
    deadlines = {
        route["match"].get("path"): route["route"]["max_stream_duration"]
        for route in routes(rendered(tmp_path))
        if "route" in route and "path" in route["match"]
    }
    assert deadlines["/chalkandduster.quality.v1.QualityService/WatchRun"]["max_stream_duration"] == "3600s"
    assert deadlines["/chalkandduster.quality.v1.QualityService/GetRun"]["max_stream_duration"] == "15s"


def test_identity_is_checked_after_every_protocol_has_become_grpc(tmp_path: Path) -> None:
    names = [item["name"].removeprefix("envoy.filters.http.") for item in manager(rendered(tmp_path))["http_filters"]]
    assert names == [
        "cors",
        "compressor",
        "body_size_limit",
        "grpc_web",
        "grpc_json_transcoder",
        "jwt_authn",
        "local_ratelimit",
        "grpc_stats",
        "router",
    ]


def test_only_given_services_are_served(tmp_path: Path) -> None:
    config = rendered(tmp_path, services={"registry": ("127.0.0.1", 5001)})
    assert [cluster["name"] for cluster in config["static_resources"]["clusters"]] == ["registry"]
    assert not any("quality" in str(route["match"]) for route in routes(config))


def test_names_are_resolved_again_and_addresses_are_taken_as_they_are(tmp_path: Path) -> None:
    clusters = rendered(tmp_path)["static_resources"]["clusters"]
    assert {cluster["name"]: cluster["type"] for cluster in clusters} == {"registry": "STATIC", "quality": "STRICT_DNS"}


def test_forwarded_addresses_count_only_behind_a_trusted_proxy(tmp_path: Path) -> None:
    def removed(config: dict[str, Any]) -> list[Any]:
        mutations = manager(config)["early_header_mutation_extensions"][0]["typed_config"]["mutations"]
        return [row["remove"] for row in mutations if "remove" in row]

    assert removed(rendered(tmp_path)) == ["x-forwarded-for"]
    behind = rendered(tmp_path, trusted_proxy_hops=1)
    assert removed(behind) == []
    assert manager(behind)["xff_num_trusted_hops"] == 1


def test_rates_come_from_the_environment_unless_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHALKANDDUSTER_GATEWAY_RATE_DEFAULT", "11/7")
    config = manager(rendered(tmp_path))
    limit = next(item["typed_config"] for item in config["http_filters"] if item["name"].endswith("local_ratelimit"))
    assert limit["descriptors"][0]["token_bucket"]["max_tokens"] == 11


@pytest.mark.parametrize("origin", ["*", "null", "app.example", "https://app.example/", "https://app.example/path", "javascript:alert(1)"])
def test_origin_that_is_none_is_refused(tmp_path: Path, origin: str) -> None:
    with pytest.raises(ValueError, match="CORS origin"):
        rendered(tmp_path, cors_origins=[origin])


def test_no_origin_means_no_cors(tmp_path: Path) -> None:
    assert manager(rendered(tmp_path))["route_config"]["virtual_hosts"][0]["typed_per_filter_config"] == {}


def test_unknown_service_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no service named 'billing' .* quality, registry"):
        rendered(tmp_path, services={"billing": ("127.0.0.1", 1)})


def test_no_services_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one service"):
        rendered(tmp_path, services={})


def test_values_from_outside_stay_values(tmp_path: Path) -> None:
    issuer = 'https://issuer.example/"}, {x: ${admin_port}\n# '
    provider = next(item for item in manager(rendered(tmp_path, issuer=issuer))["http_filters"] if item["name"].endswith("jwt_authn"))
    assert provider["typed_config"]["providers"]["platform"]["issuer"] == issuer


def test_placeholder_keeps_the_type_of_its_value_unless_text_is_around_it() -> None:
    filled = fill({"a": "${port}", "b": ["at ${host}:${port}"], "c": 1}, {"port": 80, "host": "h"})
    assert filled == {"a": 80, "b": ["at h:80"], "c": 1}


def test_placeholder_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError, match="port"):
        fill({"a": "${port}"}, {})

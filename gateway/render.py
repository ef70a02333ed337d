"""Writes the configuration of the gateway's Envoy from envoy.yaml, the compiled protos and where things are."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from gateway.contract import Contract
from gateway.limits import RateLimits, rate_limit_filter
from gateway.replies import local_reply_mappers
from gateway.routes import jwt_rules, routes

HERE = Path(__file__).parent
TEMPLATE = HERE / "envoy.yaml"
DESCRIPTOR = HERE / "api.pb"
DOCS = HERE / "docs"
PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?")
ALLOWED_HEADERS = (
    "authorization",
    "content-type",
    "grpc-timeout",
    "traceparent",
    "x-api-key",
    "x-grpc-web",
    "x-request-id",
    "x-tenant-id",
    "x-user-agent",
)
CORS_POLICY = "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy"


def render(
    *,
    listen_host: str,
    listen_port: int,
    admin_port: int,
    services: Mapping[str, tuple[str, int]],
    jwks_file: Path,
    issuer: str,
    audience: str,
    access_log: Path,
    out_dir: Path,
    cors_origins: Sequence[str] = (),
    rate_limits: RateLimits | None = None,
    trusted_proxy_hops: int = 0,
) -> Path:
    """Writes `out_dir/envoy.yaml` and returns its path.

    `services` maps short names to host and port, and only those are routed; reflection is asked of the first. Tokens must be
    signed with a key of `jwks_file` (read once, when Envoy starts) and carry `issuer` and `audience`. Browsers may call from
    `cors_origins`, each `scheme://host[:port]`. `rate_limits` absent means those of the environment, see RateLimits.
    `trusted_proxy_hops` proxies in front append to x-forwarded-for.
    Raises ValueError for an origin that is none, no services, or a service that the protos do not hold.
    """
    if not services:
        raise ValueError("services must name at least one service")
    contract = Contract(DESCRIPTOR.read_bytes())
    bootstrap, cluster, tables = _template()
    limits = _limit_filters(rate_limits or RateLimits.from_env(os.environ))
    values = {
        "listen_host": listen_host,
        "listen_port": listen_port,
        "admin_port": admin_port,
        "trusted_proxy_hops": trusted_proxy_hops,
        "untrusted_headers": _untrusted_headers(tables["untrusted_headers"], trusted_proxy_hops),
        "access_log": str(access_log),
        "proto_descriptor": str(DESCRIPTOR),
        "grpc_services": [contract.service(name).full_name for name in services],
        "issuer": issuer,
        "audience": audience,
        "jwks_file": str(jwks_file),
        "jwt_rules": jwt_rules(contract, list(services)),
        "default_rate_limit": limits["default"],
        "cors": _cors(cors_origins),
        "routes": routes(contract, list(services), tables["classes"], limits, DOCS),
        "local_replies": local_reply_mappers(tables["local_replies"]),
        "clusters": [_cluster(cluster, name, *address) for name, address in services.items()],
    }
    path = out_dir / "envoy.yaml"
    path.write_text(yaml.dump(fill(bootstrap, values), Dumper=_NoAliases, sort_keys=False), "utf-8")
    return path


def fill(node: Any, values: Mapping[str, Any]) -> Any:
    """Returns a copy of a YAML tree with each `${name}` replaced; raises KeyError for a name without a value."""
    if isinstance(node, dict):
        return {key: fill(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [fill(value, values) for value in node]
    if not isinstance(node, str):
        return node
    if whole := PLACEHOLDER.fullmatch(node):
        return values[whole[1]]
    return PLACEHOLDER.sub(lambda match: str(values[match[1]]), node)


def _limit_filters(rates: RateLimits) -> dict[str, dict[str, Any]]:
    return {name: rate_limit_filter(name, getattr(rates, name), rates.anonymous) for name in ("default", "trigger", "costly")}


def _template() -> tuple[Any, Any, Any]:
    bootstrap, cluster, tables = yaml.safe_load_all(TEMPLATE.read_text("utf-8"))
    return bootstrap, cluster, tables


def _cluster(template: Any, service: str, host: str, port: int) -> Any:
    return fill(template, {"service": service, "host": host, "port": port, "discovery": _discovery(host)})


def _discovery(host: str) -> str:
    """Addresses are taken as they are; a name is asked for again and again, and may stand for many replicas."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "STRICT_DNS"
    return "STATIC"


def _untrusted_headers(table: Sequence[Mapping[str, Any]], trusted_proxy_hops: int) -> list[Mapping[str, Any]]:
    return [row for row in table if not (trusted_proxy_hops and row.get("remove") == "x-forwarded-for")]


def _cors(origins: Sequence[str]) -> dict[str, Any]:
    for origin in origins:
        if not ORIGIN.fullmatch(origin):
            raise ValueError(f"a CORS origin is scheme://host or scheme://host:port, not {origin!r}")
    policy = {
        "@type": CORS_POLICY,
        "allow_origin_string_match": [{"exact": origin} for origin in origins],
        "allow_methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
        "allow_headers": ", ".join(ALLOWED_HEADERS),
        "expose_headers": "grpc-message, grpc-status, grpc-status-details-bin, retry-after, x-request-id",
        "max_age": "600",
    }
    # Tokens travel in headers that a script sets, so that cookies are not needed and not allowed.
    return {"envoy.filters.http.cors": policy} if origins else {}


class _NoAliases(yaml.SafeDumper):
    """Repeats what stands in several places, so that the written file reads from top to bottom."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

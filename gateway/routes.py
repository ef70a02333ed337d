"""The routes of the gateway: docs, reflection, and one route per RPC, by the class of the RPC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.contract import Contract, Rpc

DISABLED = {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}
# The transcoder rejects unknown paths, and to it the paths of the docs are unknown.
NOT_TRANSCODED = {"envoy.filters.http.grpc_json_transcoder": DISABLED}
COMPRESSED = {
    "envoy.filters.http.compressor": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.compressor.v3.CompressorPerRoute",
        "overrides": {"response_direction_config": {}},
    }
}
DOCS = {
    "/docs": ("index.html", "text/html; charset=utf-8"),
    "/docs/": ("index.html", "text/html; charset=utf-8"),
    "/docs/start.js": ("start.js", "application/javascript"),
    "/docs/swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", "application/javascript"),
    "/docs/swagger-ui.css": ("swagger-ui/swagger-ui.css", "text/css"),
    "/openapi.json": ("openapi.json", "application/json"),
}
# The page runs its own scripts and asks its own origin, nothing else; Swagger UI sets styles and embeds its icons.
DOCS_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "frame-ancestors 'none'",
    )
)


class RpcWithoutClassError(ValueError):
    """No class of the table takes an RPC in."""


def routes(
    contract: Contract,
    services: Sequence[str],
    classes: Sequence[Mapping[str, Any]],
    limits: Mapping[str, Mapping[str, Any]],
    docs: Path,
) -> list[dict[str, Any]]:
    """Returns all routes in matching order. `limits` are the rate limit configurations that the classes name."""
    found = [_docs_route(path, docs / name, content_type) for path, (name, content_type) in DOCS.items()]
    found.append(_reflection_route(services[0]))
    for service in services:
        found += _service_routes(contract, service, classes, limits)
    # Carries the CORS policy (Envoy applies none to its own answers); the transcoder re-routes or answers 404.
    found.append({"name": "rest", "match": {"prefix": "/api/"}, "route": {"cluster": services[0]}})
    found.append(
        {"name": "not-found", "match": {"prefix": "/"}, "direct_response": {"status": 404}, "typed_per_filter_config": NOT_TRANSCODED}
    )
    return found


def jwt_rules(contract: Contract, services: Sequence[str]) -> list[dict[str, Any]]:
    """Returns which calls need a token: all of our RPCs but the public ones, and those that bring an API key instead."""
    public = [rpc.grpc_path for service in services for rpc in contract.rpcs(service) if rpc.public]
    api_key_alone = [
        {"name": "x-api-key", "present_match": True},
        {"name": "authorization", "present_match": True, "invert_match": True},
    ]
    return [
        *({"match": {"path": path}} for path in public),
        # The service looks the key up; Envoy cannot.
        {"match": {"prefix": "/chalkandduster.", "headers": api_key_alone}},
        {"match": {"prefix": "/chalkandduster."}, "requires": {"provider_name": "platform"}},
    ]


def _docs_route(path: str, file: Path, content_type: str) -> dict[str, Any]:
    headers = {
        "content-type": content_type,
        "content-security-policy": DOCS_POLICY,
        "referrer-policy": "no-referrer",
        "cache-control": "max-age=300",
    }
    return {
        "name": "docs",
        "match": {"path": path},
        "direct_response": {"status": 200, "body": {"filename": str(file)}},
        "response_headers_to_add": [
            {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"} for key, value in headers.items()
        ],
        "typed_per_filter_config": NOT_TRANSCODED | COMPRESSED,
    }


def _reflection_route(service: str) -> dict[str, Any]:
    # A tool keeps the stream open while it asks; none asks for a minute.
    limit = {"max_stream_duration": "60s", "grpc_timeout_header_max": "60s"}
    return {
        "name": "reflection",
        "match": {"prefix": "/grpc.reflection."},
        "route": {"cluster": service, "max_stream_duration": limit},
        "typed_per_filter_config": NOT_TRANSCODED,
    }


def _service_routes(
    contract: Contract, service: str, classes: Sequence[Mapping[str, Any]], limits: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    for rpc in contract.rpcs(service):
        if not rpc.internal:
            yield _rpc_route(service, rpc, _class_of(rpc, classes), limits)
    # What is left is for services only, or does not exist: for callers outside the same thing.
    prefix = f"/{contract.service(service).full_name}/"
    yield {"name": f"{service}-unknown", "match": {"prefix": prefix}, "direct_response": {"status": 404}}


def _class_of(rpc: Rpc, classes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    for row in classes:
        if rpc.name.startswith(tuple(row["methods"])):
            return row
    raise RpcWithoutClassError(f"{rpc.grpc_path} belongs to no class of envoy.yaml")


def _rpc_route(service: str, rpc: Rpc, row: Mapping[str, Any], limits: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    deadline = row["deadline"]
    # Not `timeout`: only max_stream_duration gives the service a deadline and cancels its handler.
    route: dict[str, Any] = {
        "cluster": service,
        "max_stream_duration": {"max_stream_duration": deadline, "grpc_timeout_header_max": deadline},
    }
    route |= {key: row[key] for key in ("idle_timeout", "retry_policy") if key in row}
    found = {"name": f"{service}-{row['name']}", "match": {"path": rpc.grpc_path}, "route": route}
    if "limit" in row:
        found["typed_per_filter_config"] = {"envoy.filters.http.local_ratelimit": limits[row["limit"]]}
    return found

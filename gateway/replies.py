"""Envoy's own errors, made the same shape as those of the services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
ERROR_DOMAIN = "chalkandduster"
JSON = {"header": {"key": "content-type", "value": "application/json"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
# gRPC callers get the code and the text as trailers, and JSON in grpc-message would only puzzle them. A REST call carries a gRPC
# content type too once it is transcoded, but then the transcoder has left the original path.
FOR_REST = {
    "or_filter": {
        "filters": [
            {"header_filter": {"header": {"name": "x-envoy-original-path", "present_match": True}}},
            {
                "header_filter": {
                    "header": {
                        "name": "content-type",
                        "string_match": {"prefix": "application/grpc"},
                        "invert_match": True,
                        "treat_missing_header_as_empty": True,
                    }
                }
            },
        ]
    }
}


def local_reply_mappers(table: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns Envoy's mappers for the rows of the table `local_replies`: a change of status for all callers, JSON for REST."""
    return [mapper for row in table for mapper in _mappers(row)]


def _mappers(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    json_reply = {
        "filter": {"and_filter": {"filters": [_has_status(row["status"]), FOR_REST]}},
        "headers_to_add": [JSON],
        "body_format_override": {"json_format": _status(row)},
    }
    if "as" not in row:
        return [json_reply]
    # The first mapper that fits is the only one that works.
    return [{**json_reply, "status_code": row["as"]}, {"filter": _has_status(row["status"]), "status_code": row["as"]}]


def _has_status(status: int) -> dict[str, Any]:
    comparison = {"op": "EQ", "value": {"default_value": status, "runtime_key": f"local_reply.{status}"}}
    return {"status_code_filter": {"comparison": comparison}}


def _status(row: Mapping[str, Any]) -> dict[str, Any]:
    reason = row.get("reason")
    details = [{"@type": ERROR_INFO, "reason": reason, "domain": ERROR_DOMAIN}] if reason else []
    return {"code": row["code"], "message": row["message"], "details": details}

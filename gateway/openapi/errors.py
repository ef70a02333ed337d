"""How errors look: google.rpc.Status, and the answers that operations share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import EnumDescriptor

Json = dict[str, Any]
TYPE = "type.googleapis.com/google.rpc."
DOMAIN = "chalkandduster"
VIOLATION: Json = {"field": "tenant.name", "description": "name must be 1 to 63 lower-case letters", "reason": "tenant.name"}


@dataclass(frozen=True, slots=True)
class Answer:
    """An error that many operations may answer, with a sample."""

    name: str
    code: int
    description: str
    message: str
    reason: str | None = None
    details: tuple[Json, ...] = ()


ANSWERS: Mapping[str, Answer] = {
    "400": Answer(
        "InvalidRequest",
        3,
        "The request breaks a rule (`BadRequest` names each field), or the resource is not in a state that allows it (code 9).",
        "the request is not valid",
        "INVALID_REQUEST",
        ({"@type": f"{TYPE}BadRequest", "field_violations": [VIOLATION]},),
    ),
    "401": Answer("Unauthenticated", 16, "There is no valid token and no valid API key.", "Jwt is expired.", "UNAUTHENTICATED"),
    "403": Answer("PermissionDenied", 7, "The caller's roles do not grant the permission.", "runs.trigger is needed", "PERMISSION_DENIED"),
    "404": Answer("NotFound", 5, "There is no such resource that the caller may see.", "there is no such dataset", "DATASET_NOT_FOUND"),
    "409": Answer(
        "Conflict",
        10,
        "The name is taken (code 6), or somebody else changed the resource first (code 10).",
        "the dataset changed since it was read",
        "ETAG_MISMATCH",
    ),
    "413": Answer("TooLarge", 8, "The body is larger than 1 MiB.", "The request body is larger than 1 MiB."),
    "429": Answer(
        "TooMany",
        8,
        "The caller made too many requests (`retry-after` says how many seconds to wait), or a quota is used up.",
        "Too many requests of this caller. Wait as many seconds as the header retry-after says.",
    ),
    "503": Answer(
        "Unavailable",
        14,
        "Something that is needed does not answer; try again.",
        "the warehouse gave no answer in time",
        "WAREHOUSE_UNREACHABLE",
    ),
    "504": Answer("DeadlineExceeded", 4, "There was no answer in time.", "The quality service did not answer in time."),
    "default": Answer("Error", 13, "Any other error.", "something went wrong", "INTERNAL"),
}
REQUEST_ID: Json = {
    "description": "Names the call in the logs: the `x-request-id` of the request, or a new one.",
    "schema": {"type": "string"},
}


def error_schemas(reasons: EnumDescriptor, comments: Mapping[str, str]) -> dict[str, Json]:
    """Returns the schemas of an error and of the details that it may carry."""
    lines = [f"- `{value.name}`: {' '.join(comments.get(f'{reasons.full_name}.{value.name}', '').split())}" for value in reasons.values]
    reason: Json = {"type": "string", "description": "One of these; later versions may add more.\n\n" + "\n".join(lines)}
    return {
        "Status": _object(
            "An error.",
            code={"type": "integer", "description": "Number of the gRPC code, for example 5 for NOT_FOUND."},
            message={"type": "string", "description": "What is wrong, in words for people. May change: branch on `ErrorInfo.reason`."},
            details={
                "type": "array",
                "items": {"oneOf": [_ref(name) for name in DETAILS] + [_other_detail()]},
                "description": "What machines need to know of it.",
            },
        ),
        "ErrorInfo": _detail(
            "ErrorInfo",
            "Why, for machines.",
            reason=reason,
            domain={"type": "string", "const": DOMAIN},
            metadata={"type": "object", "additionalProperties": {"type": "string"}, "description": "The values that the message mentions."},
        )
        | {"required": ["@type", "reason", "domain"]},
        "BadRequest": _detail("BadRequest", "Which fields break which rules.", field_violations=_list_of_strings("field", "description")),
        "PreconditionFailure": _detail(
            "PreconditionFailure",
            "What stands in the way, for example what uses a resource.",
            violations=_list_of_strings("subject", "description"),
        ),
    }


DETAILS = ("ErrorInfo", "BadRequest", "PreconditionFailure")


def error_responses() -> dict[str, Json]:
    """Returns the shared answers, by component name."""
    responses = {answer.name: _response(answer) for answer in ANSWERS.values()}
    responses[ANSWERS["429"].name]["headers"]["retry-after"] = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
    return responses


def refer(statuses: Iterable[str]) -> dict[str, Json]:
    """Returns the answers of an operation that may fail with these HTTP statuses."""
    return {status: {"$ref": f"#/components/responses/{ANSWERS[status].name}"} for status in statuses}


def headers() -> Json:
    """Returns the headers of every answer."""
    return {"x-request-id": {"$ref": "#/components/headers/RequestId"}}


def _response(answer: Answer) -> Json:
    info = [{"@type": f"{TYPE}ErrorInfo", "reason": answer.reason, "domain": DOMAIN, "metadata": {}}] if answer.reason else []
    example = {"code": answer.code, "message": answer.message, "details": [*info, *answer.details]}
    content = {"application/json": {"schema": _ref("Status"), "example": example}}
    return {"description": answer.description, "headers": headers(), "content": content}


def _object(description: str, **properties: Json) -> Json:
    return {"type": "object", "description": description, "properties": properties, "required": list(properties)}


def _detail(name: str, description: str, **properties: Json) -> Json:
    return _object(description, **{"@type": {"type": "string", "const": TYPE + name}, **properties})


def _other_detail() -> Json:
    known = {"enum": [TYPE + name for name in DETAILS]}
    return {"type": "object", "required": ["@type"], "properties": {"@type": {"type": "string", "not": known}}}


def _list_of_strings(*names: str) -> Json:
    item = {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}
    return {"type": "array", "items": item}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}

"""RPCs as OpenAPI operations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chalkandduster.common.v1 import access_pb2
from gateway.contract import Binding, Rpc
from gateway.openapi.comments import first_sentence
from gateway.openapi.errors import headers, refer
from gateway.openapi.schemas import WELL_KNOWN, Schemas, is_map, is_required, message_of, output_only

Json = dict[str, Any]
PATH_FIELD = re.compile(r"\{([^}=]+)(?:=[^}]*)?\}")
WRITES = ("post", "put", "patch", "delete")
STREAM_NOTE = (
    "A stream of newline-delimited JSON: each line is one object of this schema, sent when it happens (`curl --no-buffer` shows them)."
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    path: str
    """With the last part of each field path as the name: `/api/v1/tenants/{id}` for `{tenant.id}`."""
    verb: str
    content: Json


def operations(rpc: Rpc, schemas: Schemas, comments: Mapping[str, str], examples: Mapping[str, Any]) -> Iterator[Operation]:
    """Yields an operation for each REST binding of the RPC."""
    for number, binding in enumerate(rpc.bindings):
        operation_id = rpc.name[0].lower() + rpc.name[1:] + (f"_{number + 1}" if number else "")
        content = _describe(rpc, operation_id, binding, comments)
        if parameters := list(_parameters(rpc, binding, schemas)):
            content["parameters"] = parameters
        if body := _body(rpc, binding, schemas):
            if operation_id in examples:
                body["content"]["application/json"]["example"] = examples[operation_id]
            content["requestBody"] = body
        content["responses"] = _responses(rpc, binding, schemas, comments)
        if rpc.public:
            content["security"] = []
        yield Operation(PATH_FIELD.sub(lambda match: "{" + _last(match[1]) + "}", binding.path), binding.verb, content)


def _describe(rpc: Rpc, operation_id: str, binding: Binding, comments: Mapping[str, str]) -> Json:
    comment = comments.get(rpc.descriptor.full_name, "")
    needs = f"\n\nNeeds the permission `{rpc.access.permission}`." if rpc.access.permission else ""
    found: Json = {
        "operationId": operation_id,
        "tags": [tag_of(binding.path)],
        "summary": first_sentence(comment),
        "description": comment + needs,
        "x-grpc-method": rpc.grpc_path.removeprefix("/"),
    }
    if rpc.descriptor.GetOptions().deprecated:
        found["deprecated"] = True
    return found


def tag_of(path: str) -> str:
    """Returns what a path is about: the part after the version, `runs` for `/api/v1/runs/{id}`."""
    return path.removeprefix("/api/v1/").split("/")[0]


def _parameters(rpc: Rpc, binding: Binding, schemas: Schemas) -> Iterator[Json]:
    in_path = PATH_FIELD.findall(binding.path)
    for path in in_path:
        schema = schemas.field(_find(rpc.descriptor.input_type, path))
        schema.pop("readOnly", None)
        yield {"name": _last(path), "in": "path", "required": True, **_split_description(schema)}
    if binding.body != "*":
        taken = {*in_path, binding.body}
        yield from _query_parameters(rpc.descriptor.input_type, "", taken, schemas)
    if rpc.access.scope == access_pb2.Access.TENANT:
        yield {"$ref": "#/components/parameters/TenantId"}
    yield {"$ref": "#/components/parameters/RequestId"}


def _query_parameters(message: Descriptor, prefix: str, taken: set[str], schemas: Schemas) -> Iterator[Json]:
    for item in message.fields:
        name = prefix + item.name
        # A query cannot hold maps and lists of messages; the transcoder refuses them.
        if name in taken or output_only(item) or is_map(item):
            continue
        if item.message_type is not None and item.message_type.full_name not in WELL_KNOWN:
            if not item.is_repeated:
                yield from _query_parameters(item.message_type, f"{name}.", taken, schemas)
            continue
        required = {"required": True} if is_required(item) else {}
        yield {"name": name, "in": "query", **required, **_split_description(schemas.field(item))}


def _split_description(schema: Json) -> Json:
    """Puts the description where tools show it for a parameter."""
    rest = {key: value for key, value in schema.items() if key != "description"}
    return {"description": schema.get("description", ""), "schema": rest}


def _body(rpc: Rpc, binding: Binding, schemas: Schemas) -> Json | None:
    if not binding.body:
        return None
    if binding.body == "*":
        message = rpc.descriptor.input_type
        schema = schemas.inline(message, without=[path for path in PATH_FIELD.findall(binding.path) if "." not in path])
        if not schema["properties"]:
            return None
        required = "required" in schema
    else:
        body = message_of(rpc.descriptor.input_type.fields_by_name[binding.body])
        schema = schemas.message(body, patch=binding.verb == "patch")
        required = True
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def _responses(rpc: Rpc, binding: Binding, schemas: Schemas, comments: Mapping[str, str]) -> Json:
    output = rpc.descriptor.output_type
    description = STREAM_NOTE if rpc.streaming else comments.get(output.full_name) or "Done."
    answer = {
        "description": description,
        "headers": headers(),
        "content": {"application/json": {"schema": schemas.message(output)}},
    }
    return {"200": answer} | refer(_failures(rpc, binding))


def _failures(rpc: Rpc, binding: Binding) -> Iterator[str]:
    yield "400"
    if not rpc.public:
        yield from ("401", "403")
    if PATH_FIELD.search(binding.path):
        yield "404"
    if binding.verb in WRITES:
        yield "409"
    if binding.body:
        yield "413"
    yield from ("429", "503", "504", "default")


def _find(message: Descriptor, path: str) -> FieldDescriptor:
    *parents, name = path.split(".")
    for parent in parents:
        message = message_of(message.fields_by_name[parent])
    return message.fields_by_name[name]


def _last(path: str) -> str:
    return path.rsplit(".", 1)[-1]

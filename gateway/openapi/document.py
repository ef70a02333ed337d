"""The OpenAPI document as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.contract import Contract, Rpc
from gateway.openapi.comments import read_comments
from gateway.openapi.errors import REQUEST_ID, error_responses, error_schemas
from gateway.openapi.operations import operations, tag_of
from gateway.openapi.schemas import Schemas, accepted_messages

Json = dict[str, Any]
ERROR_REASON = "chalkandduster.common.v1.ErrorReason"
ABOUT = """\
Tells a data team that a table is wrong before its users do.

**Who calls.** Send a token as `authorization: Bearer <token>`, or an API key as `x-api-key`. A call acts in the tenant of the token
or key; a platform admin names one with `x-tenant-id`.

**JSON.** Field names are as listed here (camelCase is read too). Enum values are read in any case. 64-bit integers are strings.
Fields without a value that a message always has are answered as `0`, `""`, `false` or `[]`.

**Lists** answer `page_size` entries and a `next_page_token`, which asks for the next page; it is empty on the last.

**Errors** are `google.rpc.Status`: branch on the `reason` of the `ErrorInfo` in `details`.

The same API is served as gRPC and grpc-web on the same port, with reflection.
"""
SECURITY_SCHEMES: Json = {
    "bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A token of the identity provider."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "A key made with `createApiKey`, for machines."},
}
PARAMETERS: Json = {
    "TenantId": {
        "name": "x-tenant-id",
        "in": "header",
        "description": "Id of the tenant to act in. Platform admins must send it; for all others their own tenant counts.",
        "schema": {"type": "string", "format": "uuid"},
    },
    "RequestId": {
        "name": "x-request-id",
        "in": "header",
        "description": "Names the call in the logs of all services. Absent: a new one is made; the answer has it.",
        "schema": {"type": "string"},
    },
}


def build(contract: Contract, examples: Mapping[str, Any], services: Iterable[str] | None = None) -> Json:
    """Returns the document for the RPCs of `services` (by default all) that have REST paths.

    `examples` maps operation ids to sample bodies.
    """
    comments = read_comments(contract.files.file)
    rpcs = [rpc for name in services or contract.services for rpc in contract.rpcs(name) if not rpc.internal]
    schemas = Schemas(comments, accepted_messages(rpc.descriptor.input_type for rpc in rpcs))
    paths: dict[str, Json] = {}
    for rpc in rpcs:
        for operation in operations(rpc, schemas, comments, examples):
            paths.setdefault(operation.path, {})[operation.verb] = operation.content
    reasons = contract.pool.FindEnumTypeByName(ERROR_REASON)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Chalk and Duster",
            "version": "v1",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearerAuth": []}, {"apiKey": []}],
        "tags": list(_tags(rpcs, comments)),
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted((schemas.components | error_schemas(reasons, comments)).items())),
            "responses": error_responses(),
            "parameters": PARAMETERS,
            "headers": {"RequestId": REQUEST_ID},
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _tags(rpcs: Iterable[Rpc], comments: Mapping[str, str]) -> Iterator[Json]:
    """Yields each tag with the comment of the message that it is named after: `api-keys` after `ApiKey`."""
    packages = {tag_of(binding.path): rpc.descriptor.containing_service.file.package for rpc in rpcs for binding in rpc.bindings}
    for tag, package in sorted(packages.items()):
        message = tag.title().replace("-", "").removesuffix("s")
        description = comments.get(f"{package}.{message}")
        yield {"name": tag} | ({"description": description} if description else {})

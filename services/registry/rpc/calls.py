"""What every handler reads from the call, in the words of the use cases."""

from __future__ import annotations

import hashlib
from typing import Any

import grpc
from google.protobuf.message import Message

from services.common.context import current_call
from services.common.ids import parse_uuid
from services.registry.domain.caller import Caller
from services.registry.domain.request_key import RequestKey

Context = grpc.aio.ServicerContext[Any, Any]


def caller() -> Caller:
    """Who calls, as the interceptors found out."""
    call = current_call()
    principal = call.principal
    return Caller(
        actor=principal.subject if principal else "anonymous",
        action=call.action,
        roles=principal.roles if principal else frozenset(),
        tenant_id=call.tenant_id,
        remote_address=call.remote_address,
        request_id=call.request_id,
    )


def canonical_id(text: str) -> str:
    """A UUID as it is kept, in lower case; the validation rules let upper case in too."""
    return parse_uuid(text) or text


def request_key(request_id: str, resource: Message) -> RequestKey | None:
    """What makes the create of `resource` safe to repeat; None without a `request_id`."""
    if not request_id:
        return None
    return RequestKey(request_id, hashlib.sha256(resource.SerializeToString(deterministic=True)).digest())

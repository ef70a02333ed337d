"""What every handler reads from the call, in the words of the use cases."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import grpc

from chalkandduster.registry.v1.connection_pb2 import Connection
from chalkandduster.registry.v1.dataset_pb2 import Dataset
from chalkandduster.registry.v1.tenant_pb2 import Tenant
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


def request_key(request_id: str, resource: Tenant | Connection | Dataset) -> RequestKey | None:
    """What makes the create of `resource` safe to repeat; None without a `request_id`, in the request or in the resource."""
    wanted = request_id or resource.request_id
    if not wanted:
        return None
    content = copy.deepcopy(resource)
    content.ClearField("request_id")
    return RequestKey(wanted, hashlib.sha256(content.SerializeToString(deterministic=True)).digest())

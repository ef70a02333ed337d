"""The two things that every service but the registry itself asks of the registry: API keys, and a place for audit events."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct

from chalkandduster.registry.v1 import api_key_pb2, audit_pb2, registry_service_pb2_grpc
from services.common.audit import AuditEvent
from services.common.auth.principal import Principal, PrincipalKind
from services.common.client import ErrorTable, ServiceClient
from services.common.errors import Unauthenticated

# Not UNAUTHENTICATED: that would be our own token, and is a fault of the platform and not of the caller's key.
_REFUSED: ErrorTable = {"API_KEY_NOT_FOUND": lambda _: Unauthenticated(), "INVALID_REQUEST": lambda _: Unauthenticated()}


class RegistryApiKeys:
    """The ApiKeyAuthenticator of services other than the registry; put CachedApiKeys around it."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client
        self._stub = registry_service_pb2_grpc.RegistryServiceStub(client.channel)

    async def authenticate(self, key: str) -> Principal | None:
        """As the port says."""
        try:
            answer = await self._client.call(
                self._stub.AuthenticateApiKey,
                api_key_pb2.AuthenticateApiKeyRequest(key=key),
                timeout_seconds=2,
                errors=_REFUSED,
            )
        except Unauthenticated:
            return None
        return Principal(f"api_key:{answer.api_key_id}", PrincipalKind.API_KEY, frozenset({answer.role}), answer.tenant_id)


class RegistryAuditTrail:
    """Sends audit events to the registry: the `send` of a BufferedAuditSink."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client
        self._stub = registry_service_pb2_grpc.RegistryServiceStub(client.channel)

    async def send(self, events: Sequence[AuditEvent]) -> None:
        """Returns when the registry has them. Raises DependencyUnavailable when it does not answer."""
        request = audit_pb2.RecordAuditEventsRequest(events=[to_proto(event) for event in events])
        await self._client.call(self._stub.RecordAuditEvents, request)


def to_proto(event: AuditEvent) -> audit_pb2.TenantAuditEvent:
    """The event as the registry takes and answers it."""
    found = audit_pb2.AuditEvent(
        id=event.id,
        actor=event.actor,
        action=event.action,
        resource_type=event.resource_type,
        resource_id=event.resource_id,
        outcome=audit_pb2.AuditEvent.Outcome.Value(event.outcome.value),
        remote_address=event.remote_address,
        request_id=event.request_id,
    )
    found.create_time.FromDatetime(event.create_time)
    for target, fields in ((found.before, event.before), (found.after, event.after)):
        if fields is not None:
            target.CopyFrom(ParseDict(dict(fields), Struct()))
    return audit_pb2.TenantAuditEvent(tenant_id=event.tenant_id or "", event=found)

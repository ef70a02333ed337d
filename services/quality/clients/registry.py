"""The registry: definitions with opened credentials, and the audit trail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from chalkandduster.registry.v1 import connection_pb2, dataset_pb2, registry_service_pb2
from chalkandduster.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from services.common.audit import AuditEvent, Outcome
from services.common.client import ErrorTable, RemoteError, ServiceClient
from services.common.registry_calls import RegistryAuditTrail
from services.quality.app.ports import Message
from services.quality.domain.connection import ConnectionSpec, PostgresConnection, SnowflakeConnection
from services.quality.domain.definition import DatasetDefinition, ResolvedConnection
from services.quality.domain.errors import ConnectionNotFound, DatasetNotFound, TenantSuspended
from services.quality.domain.scan import SamplePolicy

_DEFAULT_POSTGRES_SCHEMA = "public"
_DEFAULT_SSLMODE = "require"
_DEFAULT_POSTGRES_PORT = 5432


class RegistryClient:
    """`app.ports.Registry`."""

    def __init__(self, client: ServiceClient, timeout_seconds: float = 5.0) -> None:
        self._client = client
        self._stub = RegistryServiceStub(client.channel)
        self._timeout_seconds = timeout_seconds

    async def dataset(self, tenant_id: str, dataset_id: str) -> DatasetDefinition:
        answer = await self._client.call(
            self._stub.ResolveDataset,
            dataset_pb2.ResolveDatasetRequest(id=dataset_id),
            tenant_id=tenant_id,
            timeout_seconds=self._timeout_seconds,
            errors=_not_found(dataset_id),
        )
        return to_definition(answer)

    async def connection(self, tenant_id: str, *, connection_id: str = "", name: str = "") -> ResolvedConnection:
        answer = await self._client.call(
            self._stub.ResolveConnection,
            registry_service_pb2.ResolveConnectionRequest(id=connection_id, name=name),
            tenant_id=tenant_id,
            timeout_seconds=self._timeout_seconds,
            errors={"CONNECTION_NOT_FOUND": lambda _: ConnectionNotFound(connection=connection_id or name)},
        )
        if not answer.tenant_active:
            raise TenantSuspended
        return to_connection(answer.connection)


def _not_found(dataset_id: str) -> ErrorTable:
    def translate(_: RemoteError) -> DatasetNotFound:
        return DatasetNotFound(dataset=dataset_id)

    # A deleted tenant has no datasets any more.
    return {"DATASET_NOT_FOUND": translate, "TENANT_NOT_FOUND": translate}


def to_definition(answer: registry_service_pb2.ResolveDatasetResponse) -> DatasetDefinition:
    dataset = answer.dataset
    return DatasetDefinition(
        id=dataset.id,
        name=dataset.name,
        database=dataset.database,
        schema=dataset.schema,
        table=dataset.table,
        checks_yaml=dataset.checks_yaml,
        variables=dict(dataset.variables),
        samples=SamplePolicy(dataset.samples.limit, tuple(dataset.samples.excluded_columns)),
        connection=to_connection(answer.connection),
        max_concurrent_runs=max(answer.quotas.max_concurrent_runs, 1),
        tenant_active=answer.tenant_active,
    )


def to_connection(resolved: registry_service_pb2.ResolvedConnection) -> ResolvedConnection:
    connection = resolved.connection
    return ResolvedConnection(connection.id, connection.name, resolved.revision, _spec(connection))


def _spec(connection: connection_pb2.Connection) -> ConnectionSpec:
    if connection.WhichOneof("kind") == "postgres":
        return _postgres(connection.postgres)
    return _snowflake(connection.snowflake)


def _snowflake(settings: connection_pb2.SnowflakeSettings) -> SnowflakeConnection:
    return SnowflakeConnection(
        account=settings.account,
        user=settings.user,
        warehouse=settings.warehouse,
        database=settings.database,
        schema=settings.schema,
        role=settings.role,
        host=settings.host,
        port=settings.port,
        protocol=settings.protocol or "https",
        granted_schemas=tuple(settings.granted_schemas),
        password=settings.password,
        private_key_pem=settings.private_key_pem,
    )


def _postgres(settings: connection_pb2.PostgresSettings) -> PostgresConnection:
    return PostgresConnection(
        host=settings.host,
        port=settings.port or _DEFAULT_POSTGRES_PORT,
        database=settings.database,
        schema=settings.schema or _DEFAULT_POSTGRES_SCHEMA,
        user=settings.user,
        sslmode=settings.sslmode or _DEFAULT_SSLMODE,
        granted_schemas=tuple(settings.granted_schemas),
        password=settings.password,
    )


class AuditRelay:
    """`app.ports.Relay` to the audit trail, which knows an event that comes twice by its id."""

    def __init__(self, trail: RegistryAuditTrail) -> None:
        self._trail = trail

    async def deliver(self, messages: Sequence[Message]) -> None:
        await self._trail.send([_to_event(message.payload) for message in messages])


def _to_event(payload: Mapping[str, object]) -> AuditEvent:
    fields = cast(dict[str, Any], dict(payload))
    return AuditEvent(**{**fields, "outcome": Outcome(fields["outcome"]), "create_time": datetime.fromisoformat(fields["create_time"])})

"""The registry: definitions with opened credentials."""

from __future__ import annotations

from chalkandduster.registry.v1 import connection_pb2, dataset_pb2, registry_service_pb2
from chalkandduster.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from services.common.client import ErrorTable, RemoteError, ServiceClient
from services.drift.domain.connection import ConnectionSpec, PostgresConnection, SnowflakeConnection
from services.drift.domain.dataset import DatasetDefinition
from services.drift.domain.errors import DatasetNotFound

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

    async def require(self, tenant_id: str, dataset_id: str) -> None:
        await self._client.call(
            self._stub.GetDataset,
            dataset_pb2.GetDatasetRequest(id=dataset_id),
            tenant_id=tenant_id,
            timeout_seconds=self._timeout_seconds,
            errors=_not_found(dataset_id),
        )


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
        drift_yaml=dataset.drift_yaml,
        excluded_columns=tuple(dataset.samples.excluded_columns),
        connection=_spec(answer.connection.connection),
        tenant_active=answer.tenant_active,
    )


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
        password=settings.password,
    )

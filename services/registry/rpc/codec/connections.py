"""Connections between the domain and protobuf. Secrets are decoded always, and encoded only where they are opened on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from chalkandduster.registry.v1 import connection_pb2, registry_service_pb2
from services.common.errors import FieldViolation, InvalidRequest, InvalidUpdateMask
from services.common.field_mask import apply_update
from services.registry.domain.connection import (
    Connection,
    ConnectionDraft,
    OpenedConnection,
    PostgresSettings,
    ProbeResult,
    Settings,
    SnowflakeSettings,
)
from services.registry.domain.revision import etag_of
from services.registry.domain.secret import Secret, SecretKind
from services.registry.rpc.codec.times import to_timestamp

_CHANGEABLE = ("name", "description", "snowflake", "postgres")
_OUTPUT_ONLY = ("has_password", "has_private_key")


def encode_connection(connection: Connection) -> connection_pb2.Connection:
    """The connection as callers see it: without its secret."""
    message = connection_pb2.Connection(
        id=connection.id,
        name=connection.name,
        description=connection.description,
        create_time=to_timestamp(connection.create_time),
        update_time=to_timestamp(connection.update_time),
        etag=etag_of(connection.revision),
    )
    fields: dict[str, Any] = asdict(connection.settings)
    if isinstance(connection.settings, SnowflakeSettings):
        fields |= {"has_password": connection.has_password, "has_private_key": connection.has_private_key}
        message.snowflake.CopyFrom(connection_pb2.SnowflakeSettings(**fields))
    else:
        message.postgres.CopyFrom(connection_pb2.PostgresSettings(**fields, has_password=connection.has_password))
    return message


def encode_opened(opened: OpenedConnection) -> registry_service_pb2.ResolvedConnection:
    """The connection with its secret in the open: for the answers of services alone."""
    message = encode_connection(opened.connection)
    if opened.secret:
        setattr(getattr(message, opened.connection.settings.kind), opened.secret.kind, opened.secret.value)
    return registry_service_pb2.ResolvedConnection(connection=message, revision=opened.connection.login_revision())


def encode_probe(result: ProbeResult) -> connection_pb2.TestConnectionResponse:
    """What the warehouse said."""
    return connection_pb2.TestConnectionResponse(
        ok=result.ok, latency_ms=result.latency_ms, server_version=result.server_version, error=result.error
    )


def decode_connection(message: connection_pb2.Connection) -> ConnectionDraft:
    """The connection as the caller wants it. Raises InvalidRequest when it has settings of no kind."""
    settings, secret = _decode_settings(message)
    return ConnectionDraft(message.name, message.description, settings, secret)


def decode_connection_change(request: connection_pb2.UpdateConnectionRequest) -> Callable[[Connection], ConnectionDraft]:
    """What the request makes of a connection. The function raises InvalidUpdateMask and InvalidRequest."""

    def change(present: Connection) -> ConnectionDraft:
        mask = request.update_mask if request.HasField("update_mask") else None
        for path in mask.paths if mask else ():
            if path.rpartition(".")[2] in _OUTPUT_ONLY:
                raise InvalidUpdateMask(path, _CHANGEABLE)
        return decode_connection(apply_update(encode_connection(present), request.connection, mask, _CHANGEABLE))

    return change


def _decode_settings(message: connection_pb2.Connection) -> tuple[Settings, Secret | None]:
    match message.WhichOneof("kind"):
        case "snowflake":
            return _decode_snowflake(message.snowflake)
        case "postgres":
            return _decode_postgres(message.postgres)
        case _:
            raise InvalidRequest([FieldViolation("connection", "must have the settings of one kind: snowflake or postgres")])


def _decode_snowflake(message: connection_pb2.SnowflakeSettings) -> tuple[Settings, Secret | None]:
    settings = SnowflakeSettings(
        account=message.account,
        user=message.user,
        database=message.database,
        schema=message.schema,
        warehouse=message.warehouse,
        role=message.role,
        host=message.host,
        port=message.port,
        protocol=message.protocol,
        granted_schemas=tuple(message.granted_schemas),
    )
    if message.private_key_pem:
        return settings, Secret(SecretKind.PRIVATE_KEY, message.private_key_pem)
    return settings, _password(message.password)


def _decode_postgres(message: connection_pb2.PostgresSettings) -> tuple[Settings, Secret | None]:
    settings = PostgresSettings(
        host=message.host,
        user=message.user,
        database=message.database,
        schema=message.schema,
        port=message.port,
        sslmode=message.sslmode,
        granted_schemas=tuple(message.granted_schemas),
    )
    return settings, _password(message.password)


def _password(password: str) -> Secret | None:
    return Secret(SecretKind.PASSWORD, password) if password else None

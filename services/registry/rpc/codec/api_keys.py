"""API keys between the domain and protobuf."""

from __future__ import annotations

from chalkandduster.registry.v1 import api_key_pb2
from services.registry.domain.api_key import ApiKey, ApiKeyDraft, IssuedApiKey
from services.registry.rpc.codec.times import from_timestamp, to_timestamp


def encode_api_key(api_key: ApiKey) -> api_key_pb2.ApiKey:
    """The key as callers see it: without its text."""
    return api_key_pb2.ApiKey(
        id=api_key.id,
        name=api_key.name,
        role=api_key.role,
        expire_time=to_timestamp(api_key.expire_time),
        create_time=to_timestamp(api_key.create_time),
        revoke_time=to_timestamp(api_key.revoke_time),
        last_use_time=to_timestamp(api_key.last_use_time),
    )


def encode_issued_key(issued: IssuedApiKey) -> api_key_pb2.ApiKey:
    """A new key with its text, which is shown this once."""
    message = encode_api_key(issued.api_key)
    message.key = issued.key
    return message


def encode_authenticated(api_key: ApiKey) -> api_key_pb2.AuthenticateApiKeyResponse:
    """Whom the key stands for."""
    return api_key_pb2.AuthenticateApiKeyResponse(api_key_id=api_key.id, tenant_id=api_key.tenant_id, role=api_key.role, name=api_key.name)


def decode_api_key(message: api_key_pb2.ApiKey) -> ApiKeyDraft:
    """The key as the caller wants it. Raises InvalidRequest for an impossible time."""
    return ApiKeyDraft(message.name, message.role, from_timestamp(message, "expire_time", "api_key.expire_time"))

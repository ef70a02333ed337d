"""The RPCs about API keys."""

from __future__ import annotations

from chalkandduster.registry.v1 import api_key_pb2
from services.registry.app.use_cases import UseCases
from services.registry.rpc.calls import Context, caller, canonical_id
from services.registry.rpc.codec.api_keys import decode_api_key, encode_api_key, encode_authenticated, encode_issued_key
from services.registry.rpc.pages import Pages


class ApiKeyMethods:
    """Decode, use case, encode."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases

    async def CreateApiKey(self, request: api_key_pb2.CreateApiKeyRequest, context: Context) -> api_key_pb2.ApiKey:  # noqa: N802
        return encode_issued_key(await self._use_cases.create_api_key.execute(caller(), decode_api_key(request.api_key)))

    async def ListApiKeys(self, request: api_key_pb2.ListApiKeysRequest, context: Context) -> api_key_pb2.ListApiKeysResponse:  # noqa: N802
        who = caller()
        pages = Pages("api_keys", who, {})
        page = await self._use_cases.list_api_keys.execute(who, pages.wanted(request))
        return api_key_pb2.ListApiKeysResponse(
            api_keys=[encode_api_key(api_key) for api_key in page.items], next_page_token=pages.next_token(page.last_key)
        )

    async def RevokeApiKey(self, request: api_key_pb2.RevokeApiKeyRequest, context: Context) -> api_key_pb2.ApiKey:  # noqa: N802
        return encode_api_key(await self._use_cases.revoke_api_key.execute(caller(), canonical_id(request.id)))

    async def AuthenticateApiKey(  # noqa: N802
        self, request: api_key_pb2.AuthenticateApiKeyRequest, context: Context
    ) -> api_key_pb2.AuthenticateApiKeyResponse:
        return encode_authenticated(await self._use_cases.authenticate_api_key.execute(request.key))

"""Finds out who calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.common.access import AccessRules
from services.common.auth.api_keys import MAX_API_KEY_LENGTH, ApiKeyAuthenticator
from services.common.auth.principal import Principal
from services.common.auth.tokens import TokenVerifier
from services.common.context import refine_call
from services.common.errors import Unauthenticated
from services.common.interceptors.base import CallInterceptor, Rpc

AUTHORIZATION_HEADER = "authorization"
API_KEY_HEADER = "x-api-key"


class AuthenticationInterceptor(CallInterceptor):
    """A bearer token, or an API key. Calls that are open to everybody are not asked, and what they send is not looked at."""

    def __init__(self, rules: AccessRules, tokens: TokenVerifier, api_keys: ApiKeyAuthenticator) -> None:
        self._rules = rules
        self._tokens = tokens
        self._api_keys = api_keys

    @asynccontextmanager
    async def around(self, rpc: Rpc) -> AsyncIterator[None]:
        """Adds the principal to the current call."""
        if not self._rules.is_public(rpc.method):
            refine_call(principal=await self._authenticate(rpc))
        yield

    async def _authenticate(self, rpc: Rpc) -> Principal:
        authorization = rpc.metadata(AUTHORIZATION_HEADER)
        keys = rpc.metadata(API_KEY_HEADER)
        if len(authorization) + len(keys) > 1:
            raise Unauthenticated("Send one bearer token or one API key, not several.")
        if authorization:
            return self._tokens.verify(_bearer(authorization[0]))
        principal = await self._api_keys.authenticate(keys[0]) if keys and 0 < len(keys[0]) <= MAX_API_KEY_LENGTH else None
        if principal is None:
            raise Unauthenticated
        return principal


def _bearer(value: str) -> str:
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    return token.strip()

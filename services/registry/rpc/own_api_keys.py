"""API keys of calls to the registry itself: it asks its own use case instead of calling itself."""

from __future__ import annotations

from services.common.auth.principal import Principal, PrincipalKind
from services.registry.app.authenticate_api_key import AuthenticateApiKey
from services.registry.domain.errors import ApiKeyNotFound


class OwnApiKeys:
    """The kit's ApiKeyAuthenticator over the registry's storage. Without a cache: a revoked key stops here at once."""

    def __init__(self, authenticate: AuthenticateApiKey) -> None:
        self._authenticate = authenticate

    async def authenticate(self, key: str) -> Principal | None:
        """Whom the key stands for; None for a key that is unknown, revoked or expired. Raises DependencyUnavailable."""
        try:
            found = await self._authenticate.execute(key)
        except ApiKeyNotFound:
            return None
        return Principal(f"api_key:{found.id}", PrincipalKind.API_KEY, frozenset({found.role}), found.tenant_id)

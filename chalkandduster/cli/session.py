"""Which gateway a command talks to, as whom, and in which tenant."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import grpc

from chalkandduster.cli import suite
from chalkandduster.cli.errors import CliError, explain
from chalkandduster.client import ApiError, Client
from chalkandduster.registry.v1.tenant_pb2 import ListTenantsRequest, Tenant

DEFAULT_GATEWAY = "http://127.0.0.1:8000"
GATEWAY_VARIABLE, TOKEN_VARIABLE, API_KEY_VARIABLE = "CHALKANDDUSTER_GATEWAY", "CHALKANDDUSTER_TOKEN", "CHALKANDDUSTER_API_KEY"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# As long as the longest command that is waited for; a command that outlives it says that its token expired.
_DEV_TOKEN_LIFETIME = timedelta(hours=12)


def is_uuid(text: str) -> bool:
    """Whether the text is an id, not a name."""
    return _UUID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Target:
    """What the options of a command say about where it goes."""

    gateway: str | None
    token: str | None
    tenant: str | None
    state: Path

    def in_tenant(self, tenant: str | None) -> Target:
        """The same, in another tenant."""
        return replace(self, tenant=tenant)


class Session:
    """Opens clients for a target. The credentials are `--token`, the environment's, or those of the local suite, in this order."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._local = suite.gateway_url(target.state)
        self.gateway = target.gateway or os.environ.get(GATEWAY_VARIABLE) or self._local or DEFAULT_GATEWAY
        self._token = target.token or os.environ.get(TOKEN_VARIABLE) or None
        self._api_key = None if self._token else os.environ.get(API_KEY_VARIABLE) or None

    def platform_client(self) -> Client:
        """A client for calls that need no tenant. Raises CliError when there are no credentials."""
        if self._token or self._api_key:
            return self._client(self._token, None)
        return self._client(self._mint("platform_admin", None), None)

    def tenant_client(self) -> Client:
        """A client that acts in the tenant. Raises CliError when there is no such tenant or no credentials."""
        own = self._token or self._api_key
        name = self._target.tenant
        if own:
            return self._client(self._token, self.tenant_id(name) if name else None)
        tenant_id = self.tenant_id(name) if name else self._only_tenant()
        return self._client(self._mint("tenant_admin", tenant_id), None)

    def tenant_id(self, name: str) -> str:
        """The id of the tenant with this name; an id is taken as it is. Raises CliError when there is none."""
        if is_uuid(name):
            return name
        # Compared again: an empty name is no filter.
        found = [tenant.id for tenant in self._tenants(ListTenantsRequest(name=name)) if tenant.name == name]
        if not found:
            raise CliError(f"there is no tenant {name!r}")
        return found[0]

    def _only_tenant(self) -> str:
        tenants = self._tenants(ListTenantsRequest(page_size=6))
        if len(tenants) == 1:
            return tenants[0].id
        if not tenants:
            raise CliError("there is no tenant yet: create one, for example with a manifest of kind Tenant")
        names = ", ".join(tenant.name for tenant in tenants[:5]) + (", …" if len(tenants) > 5 else "")
        raise CliError(f"there are several tenants, name one with --tenant: {names}")

    def _tenants(self, request: ListTenantsRequest) -> list[Tenant]:
        with self.platform_client() as client:
            try:
                return list(client.registry.ListTenants(request).tenants)
            except ApiError as error:
                if error.code is not grpc.StatusCode.UNAVAILABLE or error.reason:
                    raise
                raise CliError(f"the tenant cannot be looked up: {explain(error)}") from error

    def _mint(self, role: str, tenant_id: str | None) -> str:
        # A development token is worth nothing elsewhere, and nobody's business there.
        if not suite.exists(self._target.state) or not self._is_local():
            raise CliError(
                f"no credentials for {self.gateway}: give --token, set {TOKEN_VARIABLE} or {API_KEY_VARIABLE}, or start a suite here"
            )
        return suite.mint(self._target.state, tenant_id=tenant_id, role=role, lifetime=_DEV_TOKEN_LIFETIME)

    def _is_local(self) -> bool:
        return suite.is_same_place(self.gateway, self._local or DEFAULT_GATEWAY)

    def _client(self, token: str | None, tenant_id: str | None) -> Client:
        try:
            return Client(self.gateway, token=token, api_key=None if token else self._api_key, tenant=tenant_id)
        except ValueError as error:
            raise CliError(str(error)) from error

"""Decides whether the caller may make the call, and in which tenant it acts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chalkandduster.common.v1 import access_pb2
from services.common.access import AccessRules
from services.common.auth.principal import Principal
from services.common.context import current_call, refine_call
from services.common.errors import FieldViolation, InvalidRequest, PermissionDenied, TenantRequired
from services.common.ids import parse_uuid
from services.common.interceptors.base import CallInterceptor, Rpc

TENANT_HEADER = "x-tenant-id"


class PermissionInterceptor(CallInterceptor):
    """Enforces the `access` option. A method without one is refused, though a service with such a method does not start."""

    def __init__(self, rules: AccessRules) -> None:
        self._rules = rules

    @asynccontextmanager
    async def around(self, rpc: Rpc) -> AsyncIterator[None]:
        """Adds the tenant to the current call."""
        if not self._rules.is_public(rpc.method):
            refine_call(tenant_id=self._authorize(rpc))
        yield

    def _authorize(self, rpc: Rpc) -> str | None:
        rule = self._rules.get(rpc.method)
        principal = current_call().principal
        if rule is None or principal is None or not rule.permission:
            raise PermissionDenied
        if not principal.grants(rule.permission):
            raise PermissionDenied(f"The caller's roles do not grant {rule.permission}.", permission=rule.permission)
        tenant = _tenant(principal, rpc.metadata(TENANT_HEADER))
        if tenant is None and rule.scope == access_pb2.Access.TENANT:
            raise TenantRequired
        return tenant


def _tenant(principal: Principal, named: list[str]) -> str | None:
    if not named or named == [""]:
        return principal.tenant_id
    tenant = parse_uuid(named[0])
    if len(named) > 1 or tenant is None:
        raise InvalidRequest([FieldViolation(TENANT_HEADER, "must be the UUID of one tenant")])
    if tenant != principal.tenant_id and not principal.is_platform_admin:
        raise PermissionDenied("The caller may act in its own tenant only.")
    return tenant

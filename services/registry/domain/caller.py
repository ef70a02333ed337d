"""Who asks, as use cases need to know it: for what they may see, and for the audit trail."""

from __future__ import annotations

from dataclasses import dataclass

from services.common.auth.roles import PLATFORM_ADMIN


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated caller of one call."""

    actor: str
    """`sub` of the token, `api_key:<id>`, or `anonymous`."""
    action: str
    """`service.method`, for example `registry.UpdateConnection`."""
    roles: frozenset[str]
    tenant_id: str | None
    """Tenant that the call acts in; None for a platform call without one."""
    remote_address: str = ""
    request_id: str = ""

    @property
    def is_platform_admin(self) -> bool:
        """Whether all tenants are the caller's to see."""
        return PLATFORM_ADMIN in self.roles

    @property
    def tenant(self) -> str:
        """The tenant of a tenant-scoped call. Raises LookupError when there is none: the interceptor lets none through."""
        if self.tenant_id is None:
            raise LookupError(f"{self.action} needs a tenant")
        return self.tenant_id

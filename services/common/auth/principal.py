"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from services.common.auth.roles import PLATFORM_ADMIN, ROLE_PERMISSIONS


class PrincipalKind(StrEnum):
    """How the caller proved who it is."""

    USER = "user"
    API_KEY = "api_key"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose token or key was found good."""

    subject: str
    """The `sub` of the token, `api_key:<id>` or `service:<name>`: what audit events call the actor."""
    kind: PrincipalKind
    roles: frozenset[str]
    tenant_id: str | None
    """Tenant that the token names; None for a platform admin, or for a service that acts for no tenant."""

    def grants(self, permission: str) -> bool:
        """Whether one of the roles grants `permission`."""
        return any(permission in ROLE_PERMISSIONS.get(role, frozenset()) for role in self.roles)

    @property
    def is_platform_admin(self) -> bool:
        """Whether the caller may name any tenant."""
        return PLATFORM_ADMIN in self.roles

"""Which role grants which permission: the one table that authorisation reads.

A permission is `resource.verb`, the word that an RPC's `access` option names.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PLATFORM_ADMIN = "platform_admin"
TENANT_ADMIN = "tenant_admin"
EDITOR = "editor"
VIEWER = "viewer"
SERVICE = "service"

# Only one service may ask this of another: it opens secrets, or trusts what the caller says about others.
SERVICE_ONLY = frozenset({"api_keys.authenticate", "audit.record", "credentials.open", "datasets.inspect_usage", "drift.evaluate"})

_VIEWER = frozenset(
    {
        "checks.validate",
        "connections.read",
        "datasets.read",
        "drifts.read",
        "runs.read",
        "schedules.read",
        "tenants.read",
    }
)
_EDITOR = _VIEWER | {
    "backfills.write",
    "baselines.write",
    "checks.preview",
    "connections.test",
    "datasets.write",
    "drifts.judge",
    "runs.cancel",
    "runs.trigger",
    "samples.read",
    "schedules.write",
}
_TENANT_ADMIN = _EDITOR | {"api_keys.read", "api_keys.write", "audit.read", "connections.write"}
_PLATFORM_ADMIN = _TENANT_ADMIN | {"tenants.write"}
_SERVICE = SERVICE_ONLY | {"checks.validate", "connections.read", "datasets.read", "drifts.read", "runs.read"}

ROLE_PERMISSIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        PLATFORM_ADMIN: _PLATFORM_ADMIN,
        TENANT_ADMIN: _TENANT_ADMIN,
        EDITOR: _EDITOR,
        VIEWER: _VIEWER,
        SERVICE: _SERVICE,
    }
)

# Weakest first. Services stand beside the ladder: no person is given their role.
_LADDER = (VIEWER, EDITOR, TENANT_ADMIN, PLATFORM_ADMIN)


def at_most(role: str, roles: frozenset[str]) -> bool:
    """Whether `role` is one of `roles` or weaker than one of them: nobody hands out more than they have."""
    if role not in _LADDER:
        return False
    return any(held in _LADDER and _LADDER.index(role) <= _LADDER.index(held) for held in roles)

"""Development tokens: what a real identity provider would issue, signed by the key of the local suite."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from chalkandduster.local.state import State

if TYPE_CHECKING:
    from chalkandduster.local.keys import SigningKey

ISSUER = "chalkandduster-dev"
AUDIENCE = "chalkandduster"
ROLES = ("platform_admin", "tenant_admin", "editor", "viewer")


class TokenError(Exception):
    """The token cannot be minted; the text is one sentence for the user."""


def mint(state: Path, *, tenant_id: str | None, role: str, lifetime: timedelta) -> str:
    """A bearer token of the suite whose state is in `state`, which need not run. Raises TokenError."""
    if role not in ROLES:
        raise TokenError(f"there is no role {role}: choose one of {', '.join(ROLES)}")
    if role != "platform_admin" and tenant_id is None:
        raise TokenError(f"the role {role} acts in a tenant: name one")
    if lifetime <= timedelta(0):
        raise TokenError("the token's lifetime must be longer than nothing")
    return sign(State(state).issuer_key(), tenant_id=tenant_id, role=role, lifetime=lifetime)


def sign(
    key: SigningKey,
    *,
    tenant_id: str | None,
    role: str,
    lifetime: timedelta,
    issuer: str = ISSUER,
    audience: str = AUDIENCE,
    subject: str | None = None,
) -> str:
    """The token itself, with any claim a test may want to get wrong."""
    now = int(time.time())
    claims: dict[str, object] = {
        "iss": issuer,
        "aud": audience,
        "sub": subject or f"dev-{role}",
        "roles": [role],
        "iat": now,
        "exp": now + int(lifetime.total_seconds()),
        "jti": str(uuid.uuid4()),
    }
    if tenant_id is not None:
        claims["tenant"] = tenant_id
    return key.sign(claims)

"""Tokens for tests: a good issuer, and every way to be a bad one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from chalkandduster.local import tokens
from chalkandduster.local.keys import SigningKey


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """A key, and the JWKS file that services and gateway trust it by."""

    key: SigningKey
    jwks_file: Path

    @classmethod
    def create(cls, directory: Path) -> TokenIssuer:
        key = SigningKey.generate()
        jwks_file = directory / "jwks.json"
        jwks_file.write_text(json.dumps(key.jwks()), encoding="utf-8")
        return cls(key, jwks_file)

    def mint(
        self,
        role: str = "tenant_admin",
        tenant_id: str | None = None,
        *,
        lifetime: timedelta = timedelta(hours=1),
        issuer: str = tokens.ISSUER,
        audience: str = tokens.AUDIENCE,
        subject: str | None = None,
    ) -> str:
        """A token; a negative lifetime makes an expired one."""
        return tokens.sign(self.key, tenant_id=tenant_id, role=role, lifetime=lifetime, issuer=issuer, audience=audience, subject=subject)

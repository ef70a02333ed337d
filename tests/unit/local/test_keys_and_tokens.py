"""Signing keys, their published halves, and development tokens."""

from __future__ import annotations

import base64
import json
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chalkandduster.local import tokens
from chalkandduster.local.keys import SigningKey
from chalkandduster.local.state import State

_TENANT = "0197c0de-0000-7000-8000-000000000001"


def test_a_key_is_named_by_its_rfc_7638_thumbprint() -> None:
    # The key and the thumbprint of RFC 8037, appendix A.
    private = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="))
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert SigningKey.from_pem(pem).kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_token_is_checked_by_the_published_key() -> None:
    key = SigningKey.generate()
    published = jwt.PyJWKSet.from_dict(key.jwks())
    token = key.sign({"sub": "someone"})
    kid = jwt.get_unverified_header(token)["kid"]
    assert jwt.decode(token, published[kid], algorithms=["EdDSA"]) == {"sub": "someone"}


def test_the_published_key_holds_no_private_part() -> None:
    assert set(SigningKey.generate().jwks()["keys"][0]) == {"kty", "crv", "x", "kid", "alg", "use"}


def test_a_key_is_made_once_and_read_afterwards(tmp_path: Path) -> None:
    files = tmp_path / "key.pem", tmp_path / "jwks.json"
    first, second = SigningKey.load_or_create(*files), SigningKey.load_or_create(*files)
    assert first.kid == second.kid == json.loads(files[1].read_text(encoding="utf-8"))["keys"][0]["kid"]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]


def test_a_key_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="PEM"):
        SigningKey.from_pem(b"not a key")


def _claims(state: Path, token: str) -> dict[str, Any]:
    key = State(state).issuer_key()
    published = jwt.PyJWKSet.from_dict(key.jwks())[key.kid]
    return jwt.decode(token, published, algorithms=["EdDSA"], audience=tokens.AUDIENCE, issuer=tokens.ISSUER)


def test_a_minted_token_carries_tenant_role_and_lifetime(tmp_path: Path) -> None:
    claims = _claims(tmp_path, tokens.mint(tmp_path, tenant_id=_TENANT, role="editor", lifetime=timedelta(minutes=5)))
    assert (claims["tenant"], claims["roles"], claims["exp"] - claims["iat"]) == (_TENANT, ["editor"], 300)


def test_a_platform_admin_needs_no_tenant(tmp_path: Path) -> None:
    claims = _claims(tmp_path, tokens.mint(tmp_path, tenant_id=None, role="platform_admin", lifetime=timedelta(hours=1)))
    assert "tenant" not in claims
    assert claims["roles"] == ["platform_admin"]


def test_two_tokens_are_never_the_same(tmp_path: Path) -> None:
    one, other = (tokens.mint(tmp_path, tenant_id=_TENANT, role="viewer", lifetime=timedelta(hours=1)) for _ in range(2))
    assert _claims(tmp_path, one)["jti"] != _claims(tmp_path, other)["jti"]


@pytest.mark.parametrize(
    ("tenant_id", "role", "lifetime", "words"),
    [
        (None, "editor", timedelta(hours=1), "the role editor acts in a tenant"),
        (_TENANT, "emperor", timedelta(hours=1), "there is no role emperor: choose one of platform_admin, tenant_admin, editor, viewer"),
        (_TENANT, "service", timedelta(hours=1), "there is no role service"),
        (_TENANT, "viewer", timedelta(0), "lifetime"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(tmp_path: Path, tenant_id: str | None, role: str, lifetime: timedelta, words: str) -> None:
    with pytest.raises(tokens.TokenError, match=words):
        tokens.mint(tmp_path, tenant_id=tenant_id, role=role, lifetime=lifetime)

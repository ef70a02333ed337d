"""Ed25519 signing keys and the JWKS documents that let others check what they signed."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key

from chalkandduster.local import secret_files

ALGORITHM = "EdDSA"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the name under which its public half is published."""

    private: Ed25519PrivateKey
    kid: str
    """RFC 7638 thumbprint: the same key has the same name everywhere."""

    @classmethod
    def generate(cls) -> Self:
        return cls._named(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Raises ValueError if `pem` is not an unencrypted Ed25519 private key."""
        private = load_pem_private_key(pem, password=None)
        if not isinstance(private, Ed25519PrivateKey):
            raise ValueError("the key is not an Ed25519 key")
        return cls._named(private)

    @classmethod
    def load_or_create(cls, private_file: Path, jwks_file: Path) -> Self:
        """The key of `private_file`, made together with its JWKS at the first call."""
        if private_file.exists():
            key = cls.from_pem(private_file.read_bytes())
        else:
            key = cls.generate()
            secret_files.write(private_file, key.pem())
        if not jwks_file.exists():
            secret_files.write(jwks_file, json.dumps(key.jwks(), indent=1))
        return key

    @classmethod
    def _named(cls, private: Ed25519PrivateKey) -> Self:
        # RFC 7638: SHA-256 over the required members in lexical order, without spaces.
        document = json.dumps(_public_members(private), sort_keys=True, separators=(",", ":"))
        return cls(private, _base64url(hashlib.sha256(document.encode()).digest()))

    def pem(self) -> bytes:
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def jwks(self) -> dict[str, Any]:
        """The public half as a JWKS document (RFC 7517, RFC 8037)."""
        return {"keys": [{**_public_members(self.private), "kid": self.kid, "alg": ALGORITHM, "use": "sig"}]}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A JWT over `claims`, with the key's name in its header."""
        return jwt.encode(dict(claims), self.private, algorithm=ALGORITHM, headers={"kid": self.kid})


def _public_members(private: Ed25519PrivateKey) -> dict[str, str]:
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

"""Secrets of connections: sealed where they are kept, opened where a login is made, and never printed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

# Snowflake refuses shorter keys at login, where the reason is hard to see.
MIN_KEY_BITS = 2048
KEY_RULE = (
    "must be an unencrypted RSA private key of at least 2048 bits in PEM form, "
    "from '-----BEGIN PRIVATE KEY-----' to '-----END PRIVATE KEY-----'"
)


class SecretKind(StrEnum):
    """How a connection logs in."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind, not a password
    PRIVATE_KEY = "private_key_pem"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret in the open. Lives only as long as the call that needs it."""

    kind: SecretKind
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A secret as it is kept."""

    kind: SecretKind
    version: int
    """Counts the secrets of the connection, so that an old one cannot be put back in place of a newer one."""
    sealed: bytes = field(repr=False)


def is_usable_private_key(pem: str) -> bool:
    """Whether `pem` is a key that Snowflake's key-pair login takes (RSA, unencrypted; facts: Snowflake key-pair guide)."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # TypeError is what the library raises for a key that needs a password.
        return False
    return isinstance(key, RSAPrivateKey) and key.key_size >= MIN_KEY_BITS

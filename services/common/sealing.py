"""Sealed secrets: AES-256-GCM with a key per secret, itself wrapped by a named key that never is in the database.

Envelope encryption as in NIST SP 800-38D (GCM) and SP 800-57 (key-encryption keys). Both layers authenticate tenant, name and
version of the row: a sealed value that is moved to another row, tenant or version cannot be opened.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.common.startup import CannotStart

_FORMAT = 1
_KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_WRAPPED_BYTES = _NONCE_BYTES + _KEY_BYTES + _TAG_BYTES


class KeyFileError(CannotStart):
    """The file of wrapping keys is not usable."""


class SealingError(Exception):
    """A secret cannot be sealed or opened. The text names keys and rows, never a secret."""


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret that only the holder of the wrapping key can read."""

    kek: str
    """Name of the key that wraps this secret's own."""
    wrapped_key: bytes
    ciphertext: bytes

    def to_bytes(self) -> bytes:
        """The form to store: format, length and name of the wrapping key, wrapped key, nonce and ciphertext."""
        name = self.kek.encode()
        return bytes((_FORMAT, len(name))) + name + self.wrapped_key + self.ciphertext

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """Reads what `to_bytes` made. Raises SealingError for anything else."""
        if len(stored) < 2 or stored[0] != _FORMAT:
            raise SealingError("this is not a sealed secret")
        key_at = 2 + stored[1]
        text_at = key_at + _WRAPPED_BYTES
        if len(stored) < text_at + _NONCE_BYTES + _TAG_BYTES:
            raise SealingError("the sealed secret is cut short")
        try:
            return cls(stored[2:key_at].decode(), stored[key_at:text_at], stored[text_at:])
        except UnicodeDecodeError as error:
            raise SealingError("this is not a sealed secret") from error


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The wrapping keys by name; `active` wraps what is sealed now, the others open what was sealed before."""

    active: str
    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Reads `{"active": "k1", "keys": {"k1": "<base64 of 32 bytes>"}}`. Raises KeyFileError that says what is wrong with it."""
        try:
            content = json.loads(path.read_text())
            keys = {str(name): base64.b64decode(text, validate=True) for name, text in content["keys"].items()}
            active = str(content["active"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
            raise KeyFileError(f"the key file {path.name} is not readable as JSON with `active` and `keys` of base64 text") from error
        if active not in keys:
            raise KeyFileError(f"the key file {path.name} has no key for its active name")
        for name, key in keys.items():
            if len(key) != _KEY_BYTES or not 1 <= len(name.encode()) <= 64:
                raise KeyFileError(f"each key of {path.name} must be 32 bytes with a name of 1 to 64 bytes")
        return cls(active, keys)


class Sealer:
    """Seals and opens secrets with the keys of one ring. Nothing here is slow (some 10 µs) or does I/O."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def seal(self, tenant_id: str, name: str, plaintext: bytes, *, version: int = 1) -> SealedSecret:
        """Seals for one row: `name` is the resource's id, `version` what the row counts up when the secret changes."""
        bound_to = _bound_to(tenant_id, name, version)
        key = AESGCM.generate_key(bit_length=8 * _KEY_BYTES)
        return SealedSecret(self._ring.active, self._wrap(key, bound_to), _encrypt(key, plaintext, bound_to))

    def open(self, tenant_id: str, name: str, sealed: SealedSecret, *, version: int = 1) -> bytes:
        """The secret. Raises SealingError when it was sealed for another row, was tampered with, or its key is not in the ring."""
        bound_to = _bound_to(tenant_id, name, version)
        return _decrypt(self._unwrap(sealed, bound_to), sealed.ciphertext, bound_to)

    def rewrap(self, tenant_id: str, name: str, sealed: SealedSecret, *, version: int = 1) -> SealedSecret:
        """The same ciphertext under the active wrapping key: what a rotation does to every row. Raises SealingError like `open`."""
        bound_to = _bound_to(tenant_id, name, version)
        return SealedSecret(self._ring.active, self._wrap(self._unwrap(sealed, bound_to), bound_to), sealed.ciphertext)

    def _wrap(self, key: bytes, bound_to: bytes) -> bytes:
        return _encrypt(self._ring.keys[self._ring.active], key, bound_to)

    def _unwrap(self, sealed: SealedSecret, bound_to: bytes) -> bytes:
        wrapping = self._ring.keys.get(sealed.kek)
        if wrapping is None:
            raise SealingError(f"the key {sealed.kek!r} is not in the key file")
        return _decrypt(wrapping, sealed.wrapped_key, bound_to)


def _bound_to(tenant_id: str, name: str, version: int) -> bytes:
    # JSON, because "a|b" + "c" and "a" + "b|c" must differ.
    return json.dumps([tenant_id, name, version]).encode()


def _encrypt(key: bytes, plaintext: bytes, bound_to: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, bound_to)


def _decrypt(key: bytes, stored: bytes, bound_to: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(stored[:_NONCE_BYTES], stored[_NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError) as error:
        raise SealingError("the secret was sealed for another row, or was changed") from error

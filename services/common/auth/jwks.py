"""Public keys from a JWKS file (RFC 7517), read again when the file changes."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from services.common.startup import CannotStart

_log = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "ES256", "EdDSA")
"""Asymmetric only: with an HMAC algorithm a public key would be a signing key."""
_MIN_RSA_BITS = 2048
# A forged token with a new kid each must not make us read the file each time; a rotated key waits at most this long.
_UNKNOWN_KEY_COOLDOWN_SECONDS = 5.0
_STAT_SECONDS = 1.0


class JwksError(CannotStart):
    """A key file does not hold what it should."""


class JwksFile:
    """The usable keys of one file by `kid`. A file that is broken when read again leaves the former keys in place."""

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Reads the file. Raises JwksError when it is no key set, or has no key to check a signature with."""
        self._path = path
        self._monotonic = monotonic
        self._looked_at = self._read_at = monotonic()
        self._stamp = self._stat()
        self._keys = _read(path)

    def find(self, kid: str) -> jwt.PyJWK | None:
        """The key of that name; None when there is none, also after a look into the file."""
        if self._changed():
            self._reload()
        if kid not in self._keys and self._monotonic() - self._read_at >= _UNKNOWN_KEY_COOLDOWN_SECONDS:
            self._reload()
        return self._keys.get(kid)

    def _changed(self) -> bool:
        now = self._monotonic()
        if now - self._looked_at < _STAT_SECONDS:
            return False
        self._looked_at = now
        return self._stat() != self._stamp

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _reload(self) -> None:
        self._read_at = self._monotonic()
        stamp = self._stat()
        try:
            self._keys = _read(self._path)
            self._stamp = stamp
        except JwksError as error:
            _log.error("The key set could not be read again; the former keys stay.", extra={"file": self._path.name, "error": str(error)})


def _read(path: Path) -> Mapping[str, jwt.PyJWK]:
    try:
        entries = json.loads(path.read_text())["keys"]
        keys = dict(_usable(entry) for entry in entries if _may_sign(entry))
    except (OSError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
        raise JwksError(f"{path.name} is not a JWKS file with keys that have a kid ({type(error).__name__})") from error
    if not keys:
        raise JwksError(f"{path.name} has no RSA, P-256 or Ed25519 key to check signatures with")
    return keys


def _may_sign(entry: Mapping[str, Any]) -> bool:
    return entry["kty"] in ("RSA", "EC", "OKP") and entry.get("use", "sig") == "sig" and entry.get("crv") in (None, "P-256", "Ed25519")


def _usable(entry: Mapping[str, Any]) -> tuple[str, jwt.PyJWK]:
    # Only the public half, whatever the file holds; and the algorithm follows from the key, not from what it says of itself.
    public = {name: value for name, value in entry.items() if name in ("kty", "crv", "n", "e", "x", "y")}
    key = jwt.PyJWK(public)
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < _MIN_RSA_BITS:
        raise JwksError(f"an RSA key is shorter than {_MIN_RSA_BITS} bits")
    if not isinstance(key.key, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey):
        raise JwksError("a key is not an RSA, P-256 or Ed25519 public key")
    kid = entry["kid"]
    if not isinstance(kid, str) or not kid:
        raise JwksError("each key needs a kid")
    return kid, key

"""Who may log in to the emulator, by password or by key pair."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

# Snowflake's own codes. The connector raises 250001 for each, with the message below.
WRONG_PASSWORD = ("390100", "Incorrect username or password was specified.")
WRONG_KEY = ("390144", "JWT token is invalid.")


# A users file may say that whoever it does not name is let in with any password.
ANYONE = "*"


class LoginRefusedError(Exception):
    """The user, password or key is not one of those configured."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class User:
    """A user of the emulator; one of the two ways to log in may be absent."""

    password: str | None = None
    public_key_pem: str | None = None


class Users:
    """The configured users; with none configured every login is taken, as fakesnow does."""

    def __init__(self, users: Mapping[str, User] | None) -> None:
        self._users = None if users is None else {name.upper(): user for name, user in users.items()}

    @classmethod
    def from_file(cls, path: Path | None) -> Users:
        """Read `{"NAME": {"password": …, "public_key_pem": …}}`. Raises ValueError for anything else."""
        if path is None:
            return cls(None)
        entries = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise ValueError(f"{path} must hold an object of user name to {{password, public_key_pem}}")
        return cls({name: User(entry.get("password"), entry.get("public_key_pem")) for name, entry in entries.items()})

    def check(self, data: Mapping[str, Any]) -> str:
        """The user of a login request's `data`. Raises LoginRefusedError."""
        name = str(data.get("LOGIN_NAME") or "").upper()
        if self._users is None:
            return name
        if data.get("AUTHENTICATOR") == "SNOWFLAKE_JWT" and (name in self._users or ANYONE not in self._users):
            return self._check_key(str(data.get("TOKEN") or ""))
        user = self._users.get(name)
        if user is None and ANYONE in self._users:
            return name
        given = str(data.get("PASSWORD") or "")
        if user is None or user.password is None or not hmac.compare_digest(given.encode(), user.password.encode()):
            raise LoginRefusedError(*WRONG_PASSWORD)
        return name

    def _check_key(self, token: str) -> str:
        """The token's issuer is ACCOUNT.USER.SHA256:fingerprint, its subject ACCOUNT.USER, signed by the user's key."""
        try:
            subject = str(jwt.decode(token, options={"verify_signature": False}).get("sub", ""))
            name = subject.rpartition(".")[2].upper()
            user = (self._users or {}).get(name)
            if user is None or user.public_key_pem is None:
                raise LoginRefusedError(*WRONG_KEY)
            key = cast(RSAPublicKey, load_pem_public_key(user.public_key_pem.encode()))
            claims = jwt.decode(token, key, algorithms=["RS256"], options={"require": ["exp", "iss"]})
        except jwt.PyJWTError as error:
            raise LoginRefusedError(*WRONG_KEY) from error
        if claims["iss"] != f"{subject}.{fingerprint(key)}":
            raise LoginRefusedError(*WRONG_KEY)
        return name


def fingerprint(key: RSAPublicKey) -> str:
    """Snowflake's name of a public key: SHA-256 over its DER form."""
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return "SHA256:" + base64.b64encode(digest).decode()

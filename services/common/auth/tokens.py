"""Tokens: users' JWTs are checked again here (the gateway did so before), services' tokens are made and checked here only.

The two never mix: they have issuers, audiences and key sets of their own, and the issuer that a token names decides which
keys may have signed it. The gateway knows the users' issuer alone, so a service token from outside does not get past it.
"""

from __future__ import annotations

import hashlib
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.common.auth.jwks import ALGORITHMS, JwksError, JwksFile
from services.common.auth.principal import Principal, PrincipalKind
from services.common.auth.roles import PLATFORM_ADMIN, ROLE_PERMISSIONS, SERVICE
from services.common.errors import Unauthenticated
from services.common.ids import parse_uuid

SERVICE_ISSUER = "chalkandduster-services"
SERVICE_AUDIENCE = "chalkandduster-services"
SERVICE_TOKEN_SECONDS = 60

_MAX_TOKEN_LENGTH = 8192
_MAX_SUBJECT_LENGTH = 200
# What the kit itself calls callers that are not users; a user of this name would look like one in the audit trail.
_RESERVED_SUBJECTS = ("service:", "api_key:", "anonymous")

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


class TokenVerifier:
    """Says whom a token stands for. Takes some 200 µs and reads no network."""

    def __init__(self, user_jwks_file: Path, issuer: str, audience: str, service_jwks_file: Path) -> None:
        """Raises JwksError when one of the files is no key set, and ValueError when users' issuer is the services'."""
        if issuer == SERVICE_ISSUER:
            raise ValueError(f"the users' issuer must not be {SERVICE_ISSUER}")
        self._issuers: Mapping[str, tuple[JwksFile, str, Callable[[Mapping[str, Any]], Principal]]] = {
            issuer: (JwksFile(user_jwks_file), audience, _user),
            SERVICE_ISSUER: (JwksFile(service_jwks_file), SERVICE_AUDIENCE, _service),
        }

    def verify(self, token: str) -> Principal:
        """The caller. Raises Unauthenticated, which says no more than that, for everything but a token that is right in all."""
        if len(token) > _MAX_TOKEN_LENGTH:
            raise Unauthenticated
        try:
            return self._verify(token)
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token has expired.") from error
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise Unauthenticated from error

    def _verify(self, token: str) -> Principal:
        header = jwt.get_unverified_header(token)
        issuer = jwt.decode(token, options={"verify_signature": False})["iss"]
        if header.get("alg") not in ALGORITHMS or issuer not in self._issuers:
            raise Unauthenticated
        keys, audience, to_principal = self._issuers[issuer]
        key = keys.find(header["kid"])
        if key is None:
            raise Unauthenticated
        claims = jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            issuer=issuer,
            audience=audience,
            # `iat` in the future is no attack, but clocks of two machines differ.
            options={"require": ["exp", "iss", "aud", "sub"], "verify_iat": False, "strict_aud": False},
        )
        return to_principal(claims)


def _user(claims: Mapping[str, Any]) -> Principal:
    roles = _roles(claims)
    tenant = _tenant(claims)
    subject = _subject(claims)
    if SERVICE in roles or subject.startswith(_RESERVED_SUBJECTS):
        raise Unauthenticated
    if tenant is None and PLATFORM_ADMIN not in roles:
        raise Unauthenticated("The token names no tenant.")
    return Principal(subject, PrincipalKind.USER, roles & ROLE_PERMISSIONS.keys(), tenant)


def _service(claims: Mapping[str, Any]) -> Principal:
    subject = _subject(claims)
    if _roles(claims) != {SERVICE} or not subject.startswith("service:"):
        raise Unauthenticated
    return Principal(subject, PrincipalKind.SERVICE, frozenset({SERVICE}), _tenant(claims))


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims["sub"]
    if not isinstance(subject, str) or not 1 <= len(subject) <= _MAX_SUBJECT_LENGTH or not subject.isprintable():
        raise Unauthenticated
    return subject


def _tenant(claims: Mapping[str, Any]) -> str | None:
    tenant = claims.get("tenant")
    if tenant is None or tenant == "":
        return None
    parsed = parse_uuid(tenant) if isinstance(tenant, str) else None
    if parsed is None:
        raise Unauthenticated
    return parsed


def _roles(claims: Mapping[str, Any]) -> frozenset[str]:
    roles = claims.get("roles", [])
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise Unauthenticated
    return frozenset(roles)


class ServiceTokenSigner:
    """Makes the tokens with which this service calls others, in the name of one tenant or of none."""

    def __init__(self, key_file: Path, service: str, *, clock: Callable[[], float] = time.time) -> None:
        """`key_file` is a PEM private key, whose kid is its RFC 7638 thumbprint, or a private JWK with a `kid` of its own.

        Raises JwksError when it is neither.
        """
        self._key, self._algorithm, self._kid = load_signing_key(key_file)
        self._subject = f"service:{service}"
        self._clock = clock
        self._made: dict[str | None, tuple[str, float]] = {}

    def token(self, tenant_id: str | None = None) -> str:
        """A token that is good for 30 to 60 seconds more: one is used again until half its life is over (a signature is 0.5 ms)."""
        now = self._clock()
        made = self._made.get(tenant_id)
        if made is not None and made[1] - now > SERVICE_TOKEN_SECONDS / 2:
            return made[0]
        if len(self._made) > 10_000:
            self._made.clear()
        token = self._sign(tenant_id, now)
        self._made[tenant_id] = (token, now + SERVICE_TOKEN_SECONDS)
        return token

    def _sign(self, tenant_id: str | None, now: float) -> str:
        claims = {
            "iss": SERVICE_ISSUER,
            "aud": SERVICE_AUDIENCE,
            "sub": self._subject,
            "roles": [SERVICE],
            "iat": int(now),
            "exp": int(now) + SERVICE_TOKEN_SECONDS,
            **({"tenant": tenant_id} if tenant_id else {}),
        }
        return jwt.encode(claims, self._key, algorithm=self._algorithm, headers={"kid": self._kid})


def load_signing_key(path: Path) -> tuple[PrivateKey, str, str]:
    """Key, algorithm and kid of a private key file, as in `ServiceTokenSigner`."""
    try:
        text = path.read_bytes()
        if text.lstrip().startswith(b"{"):
            entry = json.loads(text)
            key, kid = jwt.PyJWK(entry).key, str(entry["kid"])
        else:
            key = load_pem_private_key(text, password=None)
            kid = ""
    except (OSError, ValueError, TypeError, KeyError, jwt.PyJWTError) as error:
        raise JwksError(f"{path.name} is neither a PEM private key nor a private JWK with a kid") from error
    algorithm = _algorithm(key)
    if algorithm is None:
        raise JwksError(f"{path.name} holds no RSA, P-256 or Ed25519 private key")
    return key, algorithm, kid or thumbprint(public_jwk(key))


def _algorithm(key: object) -> str | None:
    if isinstance(key, RSAPrivateKey):
        return "RS256"
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.name == "secp256r1":
        return "ES256"
    return "EdDSA" if isinstance(key, Ed25519PrivateKey) else None


def public_jwk(key: PrivateKey) -> dict[str, str]:
    """The public half as a JWK with the members that RFC 7638 counts, and no others."""
    algorithm = jwt.get_algorithm_by_name(_algorithm(key) or "")
    entry = algorithm.to_jwk(key.public_key(), as_dict=True)
    return {name: str(entry[name]) for name in ("crv", "e", "kty", "n", "x", "y") if name in entry}


def thumbprint(jwk: Mapping[str, str]) -> str:
    """The JWK's thumbprint (RFC 7638), base64url without padding: the kid of keys that have no name."""
    text = json.dumps(dict(sorted(jwk.items())), separators=(",", ":"))
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()

"""API keys: long-lived credentials of machines. Only their hash is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from services.common.auth.roles import EDITOR, TENANT_ADMIN, VIEWER, at_most
from services.common.errors import FieldViolation, InvalidRequest
from services.registry.domain.caller import Caller
from services.registry.domain.text import check_label

# 256 bits, as base64url. A hash without salt or stretching is enough for a secret that cannot be guessed.
_SECRET_BYTES = 32
_KEY = re.compile(r"chk_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_[A-Za-z0-9_-]{43}")
NAME_MAX_LENGTH = 100


@dataclass(frozen=True, slots=True)
class ApiKeyDraft:
    """A key as a caller wants it."""

    name: str
    role: str
    expire_time: datetime | None = None
    """None: never."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept."""

    id: str
    tenant_id: str
    name: str
    role: str
    key_hash: bytes = field(repr=False)
    create_time: datetime
    expire_time: datetime | None = None
    revoke_time: datetime | None = None
    last_use_time: datetime | None = None
    """To the minute."""

    def works_at(self, now: datetime) -> bool:
        """Whether the key is neither revoked nor expired."""
        return self.revoke_time is None and (self.expire_time is None or now < self.expire_time)

    def matches(self, key: str) -> bool:
        """Whether `key` is this key, compared in constant time."""
        return hmac.compare_digest(self.key_hash, hash_key(key))


@dataclass(frozen=True, slots=True)
class IssuedApiKey:
    """A new key and, this once, its text."""

    api_key: ApiKey
    key: str = field(repr=False)


def generate_key(key_id: str) -> str:
    """A new key `chk_<id>_<secret>`; scanners for leaked secrets can know it by its prefix."""
    return f"chk_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"


def hash_key(key: str) -> bytes:
    """What is kept of a key: its SHA-256."""
    return hashlib.sha256(key.encode()).digest()


def key_id_of(key: str) -> str | None:
    """The id inside `key`; None when it is not written like a key."""
    match = _KEY.fullmatch(key)
    return match.group(1) if match else None


def check_draft(draft: ApiKeyDraft, caller: Caller, now: datetime) -> None:
    """Raise InvalidRequest naming every field of `draft` that breaks its rule."""
    violations = list(_violations(draft, caller, now))
    if violations:
        raise InvalidRequest(violations)


def _violations(draft: ApiKeyDraft, caller: Caller, now: datetime) -> Iterator[FieldViolation]:
    if not draft.name.strip() or len(draft.name) > NAME_MAX_LENGTH:
        yield FieldViolation("api_key.name", f"must be 1 to {NAME_MAX_LENGTH} characters, and not only white space")
    yield from check_label("api_key.name", draft.name)
    if draft.role not in (VIEWER, EDITOR, TENANT_ADMIN):
        yield FieldViolation("api_key.role", "must be tenant_admin, editor or viewer")
    elif not at_most(draft.role, caller.roles):
        yield FieldViolation("api_key.role", "must not grant more than your own role does")
    if draft.expire_time is not None and draft.expire_time <= now:
        yield FieldViolation("api_key.expire_time", "must be in the future")

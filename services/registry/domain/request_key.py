"""What makes a create safe to repeat."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RequestKey:
    """The `request_id` of a create, and what it asked for."""

    request_id: str
    digest: bytes = field(repr=False)
    """SHA-256 of the content. It may be made of a password, so it is sealed before it is kept."""


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A create that was made under a request id."""

    resource_id: str
    sealed_digest: bytes = field(repr=False)

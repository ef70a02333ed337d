"""What can go wrong, in the words of the caller.

Raised by domain, use cases and adapters alike; only `rpc_errors` knows what a status code is. The message and the metadata of
every class here reach the caller, so they never hold a DSN, a statement or a trace.

DomainError
  · InvalidRequest                · NameTaken             · Unauthenticated
      · InvalidPageToken          · RequestIdReused       · PermissionDenied
      · InvalidUpdateMask         · EtagMismatch          · TenantRequired
      · EgressDenied              · ResourceInUse         · DependencyUnavailable
          · HostNotFound          · QuotaExceeded
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that breaks its rule."""

    field: str
    """Path of the field as the caller wrote it, for example `dataset.name`; empty when it is the request as a whole."""
    description: str
    """What was expected, as a sentence or the end of one."""
    reason: str = ""
    """Name of the broken rule in UPPER_SNAKE_CASE; empty when it has none."""


@dataclass(frozen=True, slots=True)
class ResourceUser:
    """Something that uses a resource and so stands in the way of its deletion."""

    kind: str
    """For example `dataset` or `schedule`."""
    id: str
    name: str = ""
    """Name for people; empty when it has none."""


class DomainError(Exception):
    """An outcome that the caller has to know about.

    `metadata` holds every value that the message mentions, so that a program need not read the sentence.
    """

    default_message: ClassVar[str] = "The request cannot be carried out."

    def __init__(self, message: str | None = None, /, **metadata: str) -> None:
        self.message = message or self.default_message
        self.metadata: dict[str, str] = metadata
        super().__init__(self.message)


class InvalidRequest(DomainError):
    """Fields of the request break their rules; `violations` says which and what was expected."""

    default_message = "The request is not valid."

    def __init__(self, violations: Sequence[FieldViolation] = (), message: str | None = None, /, **metadata: str) -> None:
        self.violations = tuple(violations)
        super().__init__(message or self._summary(), **metadata)

    def _summary(self) -> str:
        if not self.violations:
            return self.default_message
        first = self.violations[0]
        more = f" (and {len(self.violations) - 1} more)" if len(self.violations) > 1 else ""
        where = f"{first.field}: " if first.field else ""
        return f"{self.default_message[:-1]}: {where}{first.description}{more}"


class InvalidPageToken(InvalidRequest):
    """The page token is malformed, or belongs to another list, filter or tenant."""

    default_message = "The page token does not belong to this list, filter and tenant; leave it out to start from the first page."

    def __init__(self) -> None:
        expected = "must be the next_page_token of this very list, with the same filters"
        super().__init__([FieldViolation("page_token", expected)], self.default_message)


class InvalidUpdateMask(InvalidRequest):
    """The update mask names a field that does not exist or cannot be changed."""

    def __init__(self, path: str, allowed: Sequence[str]) -> None:
        """`path` is what the caller named, `allowed` what can be changed."""
        expected = f"can name {', '.join(sorted(allowed))}; {path!r} is none of these"
        super().__init__([FieldViolation("update_mask", expected)], path=path)


class EgressDenied(InvalidRequest):
    """An address given by a tenant is outside what the operator's egress policy allows."""

    def __init__(self, field: str, reason: str) -> None:
        """`reason` ends the sentence that the field's name begins; it never tells an address that the caller did not write."""
        super().__init__([FieldViolation(field, reason, "EGRESS_DENIED")], f"{field} {reason}.", field=field)


class HostNotFound(EgressDenied):
    """The host name of an address given by a tenant has no address."""


class Unauthenticated(DomainError):
    """There is no token, or it is malformed, forged, expired, or meant for somebody else."""

    default_message = "The call needs a valid bearer token or API key."


class PermissionDenied(DomainError):
    """The caller's roles do not grant the permission."""

    default_message = "The caller's roles do not allow this."


class TenantRequired(DomainError):
    """A tenant's RPC was called without saying in which tenant."""

    default_message = "Name the tenant with the x-tenant-id header: the token belongs to no tenant."


class NameTaken(DomainError):
    """A resource of this kind with this name exists in the tenant."""

    def __init__(self, message: str | None = None, /, *, name: str, **metadata: str) -> None:
        super().__init__(message or f"The name {name!r} is taken.", name=name, **metadata)


class RequestIdReused(DomainError):
    """The `request_id` was used before, for another content."""

    default_message = "This request_id was used for another content; choose a new one."


class EtagMismatch(DomainError):
    """The resource changed since the `etag` was read."""

    default_message = "The resource has changed since this etag was read; read it again, then repeat the change."


_USERS_NAMED = 3


class ResourceInUse(DomainError):
    """The resource is in use; `users` lists by what."""

    default_message = "The resource is in use."

    def __init__(self, message: str | None = None, /, *, users: Sequence[ResourceUser] = (), **metadata: str) -> None:
        self.users = tuple(users)
        super().__init__(message or self._said(), **metadata)

    def _said(self) -> str | None:
        if not self.users:
            return None
        named = ", ".join(f"{user.kind} {user.name or user.id}" for user in self.users[:_USERS_NAMED])
        more = f" and {len(self.users) - _USERS_NAMED} more" if len(self.users) > _USERS_NAMED else ""
        return f"The resource is in use by {named}{more}."


class QuotaExceeded(DomainError):
    """A quota of the tenant is used up."""

    def __init__(self, message: str | None = None, /, *, quota: str, **metadata: str) -> None:
        super().__init__(message or f"The tenant's quota {quota} is used up.", quota=quota, **metadata)


class DependencyUnavailable(DomainError):
    """Something that the service needs does not answer; the same call may work later."""

    default_message = "A part of the platform does not answer; try again later."


def all_domain_errors() -> frozenset[type[DomainError]]:
    """`DomainError`'s subclasses, direct and indirect, in the modules imported so far."""
    found: set[type[DomainError]] = set()
    waiting = list(DomainError.__subclasses__())
    while waiting:
        error = waiting.pop()
        found.add(error)
        waiting.extend(error.__subclasses__())
    return frozenset(found)

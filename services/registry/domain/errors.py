"""What can go wrong in the registry, in words for the caller. `rpc/errors.py` gives each its status.

DomainError
├── InvalidRequest
│   └── InvalidChecks, InvalidDriftSettings
├── TenantNotFound, ConnectionNotFound, DatasetNotFound, ApiKeyNotFound
└── TenantSuspended
"""

from __future__ import annotations

from services.common.errors import DomainError, InvalidRequest


class InvalidChecks(InvalidRequest):
    """The checks are not valid."""

    default_message = "The checks are not valid."


class InvalidDriftSettings(InvalidRequest):
    """The drift settings are not valid."""

    default_message = "The drift settings are not valid."


class TenantNotFound(DomainError):
    """There is no such tenant."""

    default_message = "There is no such tenant."


class ConnectionNotFound(DomainError):
    """There is no such connection."""

    default_message = "There is no such connection."


class DatasetNotFound(DomainError):
    """There is no such dataset."""

    default_message = "There is no such dataset."


class ApiKeyNotFound(DomainError):
    """There is no such API key."""

    default_message = "There is no such API key."


class TenantSuspended(DomainError):
    """The tenant may read, and nothing else."""

    default_message = "The tenant is suspended: nothing in it can be changed or run until a platform admin sets it ACTIVE."

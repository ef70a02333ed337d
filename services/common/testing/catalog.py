"""Is every error of a service in its catalogue, and every reason in the API?"""

from __future__ import annotations

from chalkandduster.common.v1 import error_reason_pb2
from services.common.errors import DomainError, all_domain_errors
from services.common.rpc_errors import COMMON_CATALOG, ErrorCatalog


def missing_from_catalog(catalog: ErrorCatalog, package: str) -> list[str]:
    """Problems, none when all is well. `package` is the service's, for example `services.registry`.

    Each subclass of DomainError defined in the package (import its modules before) or in the kit has an entry of its own; a
    class of the kit may have its parent's. Each reason is a value of `ErrorReason`, and no entry is for a stranger.
    """
    known = all_domain_errors()
    kit = {error for error in known if error.__module__.startswith("services.common.")}
    ours = {error for error in known if error.__module__.startswith(f"{package}.")} - kit
    problems = [f"{error.__name__} has no entry" for error in ours if error not in catalog]
    problems += [f"{error.__name__} of the kit has no entry" for error in kit if not _covered(error, catalog)]
    problems += [f"{error.__name__} is not of {package}" for error in catalog if error not in ours | set(COMMON_CATALOG)]
    reasons = set(error_reason_pb2.ErrorReason.keys())
    problems += [f"{spec.reason} is not in error_reason.proto" for spec in catalog.values() if spec.reason not in reasons]
    return sorted(problems)


def _covered(error: type[DomainError], catalog: ErrorCatalog) -> bool:
    return any(base in catalog for base in error.__mro__)

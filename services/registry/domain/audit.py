"""The audit trail: who changed what, and which calls were refused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from services.common.audit import Outcome
from services.registry.domain.api_key import ApiKey
from services.registry.domain.connection import Connection
from services.registry.domain.dataset import Dataset
from services.registry.domain.tenant import Tenant

Fields = Mapping[str, Any]
# Enough to see what changed; the whole of a long text would make the trail larger than what it is about.
MAX_TEXT_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events of a list; empty fields filter nothing, the others are combined with AND."""

    actor: str = ""
    action: str = ""
    resource_id: str = ""
    outcome: Outcome | None = None
    from_time: datetime | None = None
    to_time: datetime | None = None


Resource = Tenant | Connection | Dataset | ApiKey


def describe(resource: Resource) -> dict[str, Any]:
    """The fields of a resource as the trail shows them. Of a secret it shows the kind and the version, never more."""
    match resource:
        case Tenant():
            quotas = asdict(resource.quotas)
            return {"name": resource.name, "display_name": resource.display_name, "quotas": quotas, "state": str(resource.state)}
        case Connection(settings=settings):
            shown = _listed(asdict(settings))
            shown["secret"] = f"{resource.secret.kind}, version {resource.secret.version}" if resource.secret else "none"
            return {"name": resource.name, "description": resource.description, settings.kind: shown}
        case Dataset():
            return {**_listed(asdict(resource.content)), "check_count": resource.check_count}
        case ApiKey():
            times = {"expire_time": resource.expire_time, "revoke_time": resource.revoke_time}
            return {"name": resource.name, "role": resource.role} | {name: time.isoformat() for name, time in times.items() if time}


def changed_fields(before: Resource | None, after: Resource | None) -> tuple[Fields | None, Fields | None]:
    """The fields that differ, as they were and as they are. A create has no before, a delete no after."""
    old, new = describe(before) if before else None, describe(after) if after else None
    if old is None or new is None:
        return (shortened(old) if old is not None else None, shortened(new) if new is not None else None)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return (
        shortened({name: old[name] for name in names if name in old}),
        shortened({name: new[name] for name in names if name in new}),
    )


def shortened(fields: Fields) -> dict[str, Any]:
    """The fields with long texts cut; a cut text ends with its length and a hash, by which it can be told from others."""
    return {name: _cut(value) for name, value in fields.items()}


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAX_TEXT_LENGTH:
        digest = hashlib.sha256(value.encode()).hexdigest()[:16]
        return f"{value[:MAX_TEXT_LENGTH]}… ({len(value)} characters, sha256 {digest})"
    if isinstance(value, Mapping):
        return shortened(value)
    if isinstance(value, list):
        return [_cut(item) for item in value]
    return value


def _listed(value: Any) -> Any:
    """Tuples as lists, which is what JSON makes of them, also inside mappings."""
    if isinstance(value, Mapping):
        return {name: _listed(inner) for name, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value

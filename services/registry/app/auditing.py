"""How use cases write the audit trail: in the transaction of the change, so that neither is there without the other."""

from __future__ import annotations

from services.common.audit import AuditEvent, Outcome
from services.registry.app.ports import Clock, IdSource, TenantTransaction
from services.registry.domain.api_key import ApiKey
from services.registry.domain.audit import Resource, changed_fields
from services.registry.domain.caller import Caller
from services.registry.domain.connection import Connection
from services.registry.domain.dataset import Dataset
from services.registry.domain.tenant import Tenant

_TYPES: dict[type[Resource], str] = {Tenant: "tenant", Connection: "connection", Dataset: "dataset", ApiKey: "api_key"}


class AuditTrail:
    """Writes one event for one change."""

    def __init__(self, new_id: IdSource, now: Clock) -> None:
        self._new_id = new_id
        self._now = now

    async def created(self, tx: TenantTransaction, caller: Caller, resource: Resource) -> None:
        """Say that `caller` created `resource`."""
        await self._add(tx, caller, None, resource, resource)

    async def changed(self, tx: TenantTransaction, caller: Caller, before: Resource, after: Resource) -> None:
        """Say that `caller` made `after` of `before`."""
        await self._add(tx, caller, before, after, after)

    async def deleted(self, tx: TenantTransaction, caller: Caller, resource: Resource) -> None:
        """Say that `caller` deleted `resource`."""
        await self._add(tx, caller, resource, None, resource)

    async def _add(self, tx: TenantTransaction, caller: Caller, before: Resource | None, after: Resource | None, about: Resource) -> None:
        old, new = changed_fields(before, after)
        event = AuditEvent(
            id=self._new_id(),
            tenant_id=about.id if isinstance(about, Tenant) else about.tenant_id,
            create_time=self._now(),
            actor=caller.actor,
            action=caller.action,
            outcome=Outcome.ALLOWED,
            resource_type=_TYPES[type(about)],
            resource_id=about.id,
            remote_address=caller.remote_address,
            request_id=caller.request_id,
            before=old,
            after=new,
        )
        await tx.audit_events.add(event)

"""Creating connections."""

from __future__ import annotations

from services.registry.app.auditing import AuditTrail
from services.registry.app.idempotency import Idempotency
from services.registry.app.ports import Clock, Egress, IdSource, Sealer, Store
from services.registry.app.secrets import ConnectionSecrets, check_egress
from services.registry.app.tenants import hold_writable_tenant
from services.registry.domain.caller import Caller
from services.registry.domain.connection import Connection, ConnectionDraft
from services.registry.domain.connection_rules import check_draft, normalised
from services.registry.domain.errors import ConnectionNotFound
from services.registry.domain.request_key import RequestKey


class CreateConnection:
    """Saves a connection with its secret sealed. It is not tried out."""

    def __init__(self, store: Store, egress: Egress, sealer: Sealer, trail: AuditTrail, new_id: IdSource, now: Clock) -> None:
        self._store = store
        self._egress = egress
        self._secrets = ConnectionSecrets(sealer)
        self._idempotency = Idempotency("CreateConnection", sealer)
        self._trail = trail
        self._new_id = new_id
        self._now = now

    async def execute(self, caller: Caller, draft: ConnectionDraft, request: RequestKey | None) -> Connection:
        """The new connection, or the one an earlier call with this request made.

        Raises InvalidRequest, EgressDenied, NameTaken, RequestIdReused, TenantSuspended, and ConnectionNotFound when the
        earlier call's connection is deleted.
        """
        async with self._store.tenant(caller.tenant) as tx:
            await hold_writable_tenant(tx, caller)
            earlier = await self._idempotency.find(tx.requests, caller.tenant, request)
        if earlier is not None:
            return await self._earlier(caller, earlier)
        wanted = normalised(draft)
        check_draft(wanted, None)
        await check_egress(self._egress, wanted.settings)
        return await self._save(caller, self._build(caller, wanted), request)

    def _build(self, caller: Caller, draft: ConnectionDraft) -> Connection:
        connection_id, now = self._new_id(), self._now()
        secret = self._secrets.seal(caller.tenant, connection_id, 1, draft.secret) if draft.secret else None
        return Connection(connection_id, caller.tenant, draft.name, draft.settings, now, now, draft.description, secret)

    async def _save(self, caller: Caller, connection: Connection, request: RequestKey | None) -> Connection:
        async with self._store.tenant(caller.tenant) as tx:
            await hold_writable_tenant(tx, caller)
            earlier = await self._idempotency.claim(tx.requests, caller.tenant, request, connection.id)
            if earlier is None:
                await tx.connections.add(connection)
                await self._trail.created(tx, caller, connection)
                return connection
        return await self._earlier(caller, earlier)

    async def _earlier(self, caller: Caller, connection_id: str) -> Connection:
        async with self._store.tenant(caller.tenant) as tx:
            connection = await tx.connections.get(connection_id)
        if connection is None:
            raise ConnectionNotFound("The connection that this request_id created has been deleted.", connection=connection_id)
        return connection

"""Remembered creates in Postgres."""

from __future__ import annotations

import asyncpg

from services.common.postgres import Connection as Session
from services.common.sql import load_statements
from services.registry.domain.request_key import StoredRequest

SQL = load_statements("services.registry.storage.sql", "create_requests.sql")


class RequestRepository:
    """The remembered creates of one transaction's tenant."""

    def __init__(self, session: Session, tenant_id: str) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def find(self, method: str, request_id: str) -> StoredRequest | None:
        """What was made under this id in the last 24 hours."""
        return _read(await self._session.fetchrow(SQL.find_request, method, request_id))

    async def claim(self, method: str, request_id: str, request: StoredRequest) -> bool:
        """Remember a create; False when there is one under this id."""
        key = (self._tenant_id, method, request_id)
        return bool(await self._session.fetchval(SQL.claim_request, *key, request.resource_id, request.sealed_digest))


class PlatformRequestRepository:
    """The remembered creates of tenants."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def find(self, method: str, request_id: str) -> StoredRequest | None:
        """What was made under this id in the last 24 hours."""
        return _read(await self._session.fetchrow(SQL.find_platform_request, method, request_id))

    async def claim(self, method: str, request_id: str, request: StoredRequest) -> bool:
        """Remember a create; False when there is one under this id."""
        arguments = (method, request_id, request.resource_id, request.sealed_digest)
        return bool(await self._session.fetchval(SQL.claim_platform_request, *arguments))


def _read(row: asyncpg.Record | None) -> StoredRequest | None:
    return None if row is None else StoredRequest(str(row["resource_id"]), row["sealed_digest"])

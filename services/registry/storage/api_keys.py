"""API keys in Postgres."""

from __future__ import annotations

import asyncpg

from services.common.postgres import Connection as Session
from services.common.sql import load_statements
from services.registry.domain.api_key import ApiKey
from services.registry.domain.paging import Page, PageRequest
from services.registry.storage.rows import page_of, unique_name

SQL = load_statements("services.registry.storage.sql", "api_keys.sql")


class ApiKeyRepository:
    """The API keys of one transaction's tenant."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, api_key: ApiKey) -> None:
        """Raises NameTaken when a key that is not revoked has the name."""
        identity = (api_key.id, api_key.tenant_id, api_key.name, api_key.role, api_key.key_hash)
        times = (api_key.create_time, api_key.expire_time, api_key.revoke_time, api_key.last_use_time)
        with unique_name("api_keys_name_key", api_key.name):
            await self._session.execute(SQL.add_api_key, *identity, *times)

    async def lock(self, key_id: str) -> ApiKey | None:
        row = await self._session.fetchrow(SQL.lock_api_key, key_id)
        return None if row is None else api_key_of(row)

    async def list(self, page: PageRequest) -> Page[ApiKey]:
        """Oldest first, revoked ones included."""
        rows = await self._session.fetch(SQL.list_api_keys, page.after[0] if page.after else None, page.size + 1)
        return page_of(rows, page.size, api_key_of, lambda api_key: (api_key.id,))

    async def update(self, api_key: ApiKey) -> None:
        await self._session.execute(SQL.update_api_key, api_key.id, api_key.revoke_time)


def api_key_of(row: asyncpg.Record) -> ApiKey:
    """The key of a row."""
    fields = ("name", "role", "key_hash", "create_time", "expire_time", "revoke_time", "last_use_time")
    return ApiKey(id=str(row["id"]), tenant_id=str(row["tenant_id"]), **{field: row[field] for field in fields})

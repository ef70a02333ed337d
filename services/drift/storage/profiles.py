"""Profiles in Postgres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from services.common.postgres import Database
from services.common.sql import load_statements
from services.drift.domain.errors import ProfileNotFound
from services.drift.domain.record import Band, KeptProfile, Key, Standing
from services.drift.storage import rows
from services.drift.storage.watches import profile_parameters

_sql = load_statements("services.drift.storage.sql", "profiles.sql")


class PostgresProfileStore:
    """`app.ports.ProfileStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, tenant_id: str, dataset_id: str, times: tuple[datetime | None, datetime | None], limit: int, after: Key | None
    ) -> Sequence[KeptProfile]:
        key = (after.time, after.id) if after else (None, None)
        async with self._database.tenant_tx(tenant_id) as connection:
            found = await connection.fetch(_sql.list_profiles, tenant_id, dataset_id, *times, *key, limit)
        return [rows.to_profile(row) for row in found]

    async def get(self, tenant_id: str, dataset_id: str, profile_id: str) -> KeptProfile:
        async with self._database.tenant_tx(tenant_id) as connection:
            row = await connection.fetchrow(_sql.get_profile, tenant_id, dataset_id, profile_id)
        if row is None:
            raise ProfileNotFound(profile=profile_id)
        return rows.to_profile(row)

    async def newest(self, tenant_id: str, dataset_id: str, layout: str, limit: int, *, learned: bool = False) -> Sequence[KeptProfile]:
        async with self._database.tenant_tx(tenant_id) as connection:
            found = await connection.fetch(_sql.newest_profiles, tenant_id, dataset_id, rows.clean(layout), limit, learned)
        return [rows.to_profile(row) for row in reversed(found)]

    async def add_past(self, tenant_id: str, profiles: Sequence[KeptProfile]) -> None:
        async with self._database.tenant_tx(tenant_id) as connection:
            await connection.executemany(_sql.add_past_profile, [profile_parameters(tenant_id, profile) for profile in profiles])

    async def judge_again(self, tenant_id: str, judged: Mapping[str, tuple[Standing, Band | None]]) -> None:
        parameters = [(tenant_id, profile_id, standing, rows.from_band(band)) for profile_id, (standing, band) in judged.items()]
        async with self._database.tenant_tx(tenant_id) as connection:
            await connection.executemany(_sql.set_standing, parameters)

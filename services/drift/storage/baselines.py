"""Baselines in Postgres. New ones are made with the outcome that they belong to, in `watches.py`."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.postgres import Database
from services.common.sql import load_statements
from services.drift.app.ports import Acceptance, Closing
from services.drift.domain.baseline import Baseline, Mode
from services.drift.domain.errors import BaselineNotFound
from services.drift.domain.record import Decision
from services.drift.storage import rows

_sql = load_statements("services.drift.storage.sql", "baselines.sql")


class PostgresBaselineStore:
    """`app.ports.BaselineStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, tenant_id: str, dataset_id: str, version: int) -> Baseline:
        async with self._database.tenant_tx(tenant_id) as connection:
            row = await connection.fetchrow(_sql.get_baseline, tenant_id, dataset_id, version)
        if row is None:
            raise _missing(version)
        return rows.to_baseline(row)

    async def closing(self, tenant_id: str, dataset_id: str, version: int) -> Closing:
        async with self._database.tenant_tx(tenant_id) as connection:
            row = await connection.fetchrow(_sql.get_closing_state, tenant_id, dataset_id, version)
        if row is None:
            raise _missing(version)
        return Closing(row["closing_state"], row["closing_period"])

    async def acceptances(self, tenant_id: str, dataset_id: str) -> Sequence[Acceptance]:
        async with self._database.tenant_tx(tenant_id) as connection:
            found = await connection.fetch(_sql.list_acceptances, tenant_id, dataset_id)
        return [Acceptance(Decision(frozenset(row["columns"]), Mode(row["mode"])), row["closing_period"]) for row in found]

    async def list(self, tenant_id: str, dataset_id: str, limit: int, before: int | None) -> Sequence[Baseline]:
        async with self._database.tenant_tx(tenant_id) as connection:
            found = await connection.fetch(_sql.list_baselines, tenant_id, dataset_id, before, limit)
        return [rows.to_baseline(row) for row in found]


def _missing(version: int) -> BaselineNotFound:
    return BaselineNotFound(f"The dataset has no baseline of version {version}.", version=str(version)) if version else BaselineNotFound()

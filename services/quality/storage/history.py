"""Earlier measurements in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from services.common.postgres import Database
from services.common.sql import load_statements
from services.quality.domain.history import HistoryReader
from services.quality.domain.scan import HistoryQuery, Measurement
from services.quality.storage import rows

_sql = load_statements("services.quality.storage.sql", "history.sql")


class PostgresHistory:
    """`app.ports.HistoryStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_dataset(self, tenant_id: str, dataset_id: str) -> HistoryReader:
        return _DatasetHistory(self._database, tenant_id, dataset_id)


class _DatasetHistory:
    def __init__(self, database: Database, tenant_id: str, dataset_id: str) -> None:
        self._database = database
        self._tenant_id = tenant_id
        self._dataset_id = dataset_id

    async def measurements(self, query: HistoryQuery) -> Sequence[Measurement]:
        last = query.before - timedelta(microseconds=1) if query.before else None
        async with self._database.tenant_tx(self._tenant_id) as connection:
            found = await connection.fetch(
                _sql.list_measurements,
                self._tenant_id,
                self._dataset_id,
                rows.clean(query.metric_identity),
                query.before,
                last.isoweekday() if last and query.at_or_before_same_weekday else None,
                last.utcoffset() if last else None,
                query.limit,
            )
        return [rows.to_measurement(row) for row in found]

"""Datasets in Postgres."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg

from services.common.errors import ResourceUser
from services.common.postgres import Connection as Session
from services.common.postgres import ForeignKeyViolation
from services.common.sql import load_statements
from services.registry.domain.dataset import Dataset, DatasetDraft, DatasetFilter, SamplePolicy
from services.registry.domain.errors import ConnectionNotFound
from services.registry.domain.paging import Page, PageRequest
from services.registry.storage.rows import PAGE_BYTES, from_json, page_of, to_json, unique_name

SQL = load_statements("services.registry.storage.sql", "datasets.sql")


class DatasetRepository:
    """The datasets of one transaction's tenant."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, dataset: Dataset) -> None:
        """Raises NameTaken, and ConnectionNotFound when its connection is gone."""
        with _refused_rows(dataset):
            await self._session.execute(
                SQL.add_dataset,
                dataset.id,
                dataset.tenant_id,
                dataset.create_time,
                *_content(dataset),
                dataset.revision,
                dataset.update_time,
            )

    async def get(self, dataset_id: str) -> Dataset | None:
        return _read(await self._session.fetchrow(SQL.get_dataset, dataset_id))

    async def lock(self, dataset_id: str) -> Dataset | None:
        """The dataset, which nobody else changes or removes until the transaction ends."""
        return _read(await self._session.fetchrow(SQL.lock_dataset, dataset_id))

    async def list(self, wanted: DatasetFilter, page: PageRequest) -> Page[Dataset]:
        """Oldest first. A page may be shorter than asked for, so that its bytes stay bounded."""
        filters = (wanted.name, wanted.connection_id or None, wanted.tag, wanted.owner)
        after = page.after[0] if page.after else None
        rows = await self._session.fetch(SQL.list_datasets, *filters, after, page.size + 1, PAGE_BYTES)
        return page_of(rows, page.size, _dataset_of, lambda dataset: (dataset.id,))

    async def count(self) -> int:
        return int(await self._session.fetchval(SQL.count_datasets))

    async def first_users(self, limit: int, connection_id: str = "") -> Sequence[ResourceUser]:
        """Those whose names come first in the alphabet, of one connection when it is given."""
        rows = await self._session.fetch(SQL.first_datasets, connection_id or None, limit)
        return [ResourceUser("dataset", str(row["id"]), row["name"]) for row in rows]

    async def update(self, dataset: Dataset) -> None:
        """Raises NameTaken, and ConnectionNotFound when its connection is gone."""
        with _refused_rows(dataset):
            await self._session.execute(SQL.update_dataset, dataset.id, *_content(dataset), dataset.revision, dataset.update_time)

    async def remove(self, dataset_id: str) -> None:
        await self._session.execute(SQL.remove_dataset, dataset_id)


@contextmanager
def _refused_rows(dataset: Dataset) -> Iterator[None]:
    try:
        with unique_name("datasets_name_key", dataset.content.name):
            yield
    except ForeignKeyViolation as violation:
        if violation.constraint != "datasets_connection_fkey":
            raise
        raise ConnectionNotFound(connection=dataset.content.connection_id) from violation


def _content(dataset: Dataset) -> Iterator[Any]:
    """What a caller can change, in the order that both statements name it."""
    content = dataset.content
    yield from (content.name, content.connection_id, content.table, content.schema, content.database)
    yield from (content.checks_yaml, content.drift_yaml, dataset.check_count, content.description, content.owner)
    yield from (list(content.tags), to_json(dict(content.variables)))
    samples = content.samples
    yield from (samples.limit, list(samples.excluded_columns)) if samples else (None, None)


def _read(row: asyncpg.Record | None) -> Dataset | None:
    return None if row is None else _dataset_of(row)


def _dataset_of(row: asyncpg.Record) -> Dataset:
    columns = ("name", "checks_yaml", "drift_yaml", "description", "owner")
    content = DatasetDraft(
        connection_id=str(row["connection_id"]),
        table=row["table_name"],
        schema=row["schema_name"],
        database=row["database_name"],
        tags=tuple(row["tags"]),
        variables=from_json(row["variables"]),
        samples=None if row["samples_limit"] is None else SamplePolicy(row["samples_limit"], tuple(row["excluded_columns"])),
        **{column: row[column] for column in columns},
    )
    return Dataset(
        id=str(row["id"]),
        tenant_id=str(row["tenant_id"]),
        content=content,
        check_count=row["check_count"],
        create_time=row["create_time"],
        update_time=row["update_time"],
        revision=row["revision"],
    )

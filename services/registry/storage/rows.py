"""Reading and writing what all repositories have in common."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import asyncpg

from services.common.errors import NameTaken
from services.common.postgres import UniqueViolation, translated_errors
from services.registry.domain.paging import Key, Page

Item = TypeVar("Item")
# Most bytes of the long columns in one page: JSON of it stays below what the gateway passes on (8 MiB).
PAGE_BYTES = 2 * 1024 * 1024


@contextmanager
def unique_name(constraint: str, name: str) -> Iterator[None]:
    """A violation of `constraint` leaves the block as NameTaken; it also ends the race of two who saw the name free."""
    try:
        with translated_errors():
            yield
    except UniqueViolation as violation:
        if violation.constraint != constraint:
            raise
        raise NameTaken(name=name) from violation


def page_of(rows: Sequence[asyncpg.Record], size: int, read: Callable[[asyncpg.Record], Item], key: Callable[[Item], Key]) -> Page[Item]:
    """The page of rows that were read one beyond `size`, or fewer where `candidates` says that bytes cut them."""
    items = [read(row) for row in rows[:size]]
    found = rows[0]["candidates"] if rows and "candidates" in rows[0] else len(rows)
    return Page(items, key(items[-1]) if found > len(items) else None)


def to_json(value: Any) -> str | None:
    """The value for a jsonb column; NULL for None."""
    return None if value is None else json.dumps(value, ensure_ascii=False, allow_nan=False)


def from_json(text: str | None) -> Any:
    """The value of a jsonb column."""
    return None if text is None else json.loads(text)

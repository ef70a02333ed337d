"""One page of a list, by keyset: rows after a key, not after a count, so that inserts never shift a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

Item = TypeVar("Item")
Key = tuple[str | datetime, ...]
"""What a list is sorted by, of one item."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page of a list."""

    size: int
    """Most items, 1 to 1000."""
    after: Key | None = None
    """Key of the last item of the page before; None for the first page."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """The items of one page."""

    items: Sequence[Item]
    last_key: Key | None
    """Key to go on after; None on the last page."""

"""Pages of lists: tokens that fit one list, filter and tenant only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.common.paging import PageTokens, page_size
from services.registry.domain.caller import Caller
from services.registry.domain.paging import Key, PageRequest


class ListRequest(Protocol):
    """What the requests of all lists have."""

    @property
    def page_size(self) -> int: ...
    @property
    def page_token(self) -> str: ...


class Pages:
    """The pages of one list as one caller sees it."""

    def __init__(self, list_name: str, caller: Caller, filters: Mapping[str, object], *kinds: type[UUID | datetime]) -> None:
        """`kinds` are what the list's key is made of."""
        self._tokens = PageTokens(list_name, caller.tenant_id, filters)
        self._kinds = kinds or (UUID,)

    def wanted(self, request: ListRequest) -> PageRequest:
        """The page that the request asks for. Raises InvalidPageToken."""
        after = self._tokens.decode(request.page_token, *self._kinds)
        key = None if after is None else tuple(str(value) if isinstance(value, UUID) else value for value in after)
        return PageRequest(page_size(request.page_size), key)

    def next_token(self, last_key: Key | None) -> str:
        """The token of the page after the row with this key; empty after the last page."""
        return "" if last_key is None else self._tokens.encode(*last_key)

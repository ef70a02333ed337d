"""Pages: sizes, and tokens that work only for the list they came from.

A token is not a secret and is not signed: it says where the next page starts, which a caller may know of its own list anyway.
What it must not do is carry a position into another list, or a value that the database chokes on; both are refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.common.errors import InvalidPageToken
from services.common.ids import parse_uuid

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
_MAX_TOKEN_LENGTH = 1024
_MAX_BIGINT = 2**63 - 1

KeyValue = str | int | UUID | datetime
"""What a position can be made of; a `datetime` is aware."""


def page_size(requested: int) -> int:
    """Rows in a page: 50 for 0 or less (absent), at most 1000."""
    return DEFAULT_PAGE_SIZE if requested <= 0 else min(requested, MAX_PAGE_SIZE)


class PageTokens:
    """The tokens of one list as one caller sees it: `PageTokens("datasets", tenant_id, {"tag": "gold"})`."""

    def __init__(self, list_name: str, tenant_id: str | None, filters: Mapping[str, object]) -> None:
        """`filters` are all that narrow or order the list, without page size and token."""
        self._list = list_name
        content = json.dumps([list_name, tenant_id, sorted((name, str(value)) for name, value in filters.items())])
        self._bound_to = hashlib.sha256(content.encode()).hexdigest()[:16]

    def encode(self, *last_key: KeyValue) -> str:
        """The token of the page that follows the row with this key."""
        text = json.dumps([self._list, self._bound_to, [_to_json(value) for value in last_key]], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def decode(self, token: str, *kinds: type[KeyValue]) -> tuple[Any, ...] | None:
        """The key of the last row before the page, with values of `kinds`; None for an empty token, which is the first page.

        Raises InvalidPageToken for a token of another list, tenant or filter, and for anything that is none.
        """
        if not token:
            return None
        try:
            list_name, bound_to, key = json.loads(_unpack(token))
            if (list_name, bound_to) != (self._list, self._bound_to) or len(key) != len(kinds):
                raise InvalidPageToken
            return tuple(_from_json(value, kind) for value, kind in zip(key, kinds, strict=True))
        except (ValueError, TypeError, RecursionError, OverflowError) as error:
            raise InvalidPageToken from error


def _unpack(token: str) -> bytes:
    if len(token) > _MAX_TOKEN_LENGTH:
        raise InvalidPageToken
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise InvalidPageToken from error


def _to_json(value: KeyValue) -> str | int:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value) if isinstance(value, UUID) else value


def _from_json(value: object, kind: type[KeyValue]) -> KeyValue:
    if kind is int and type(value) is int and abs(value) <= _MAX_BIGINT:
        return value
    if not isinstance(value, str) or "\0" in value:
        raise InvalidPageToken
    if kind is str:
        value.encode()  # a lone surrogate is a UnicodeEncodeError, which is a ValueError
        return value
    if kind is UUID and parse_uuid(value):
        return UUID(value)
    if kind is datetime and (moment := datetime.fromisoformat(value)).tzinfo is not None:
        return moment.astimezone(UTC)
    raise InvalidPageToken

"""Identifiers."""

from __future__ import annotations

import uuid

import uuid_utils


def new_id() -> str:
    """A UUIDv7 (RFC 9562) as text: ids made later sort later, to the millisecond."""
    return str(uuid_utils.uuid7())


def parse_uuid(text: str) -> str | None:
    """The canonical text of a UUID written in its 36-character form, upper or lower case; None for anything else."""
    if len(text) != 36:
        return None
    try:
        parsed = str(uuid.UUID(text))
    except ValueError:
        return None
    # uuid.UUID also reads braces, urn: and misplaced hyphens.
    return parsed if parsed == text.lower() else None

"""What warehouses say, made fit for our sentences: one line, bounded, for the host may be anybody's."""

from __future__ import annotations

import unicodedata

_MAX_LENGTH = 300


def quoted(text: object) -> str:
    """What a warehouse said, as part of a sentence."""
    printable = "".join(" " if unicodedata.category(character)[0] == "C" else character for character in str(text)[: 4 * _MAX_LENGTH])
    line = " ".join(printable.split()).rstrip(".")
    return line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}…"

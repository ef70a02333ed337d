"""Why a login did not work, in words for the one who wrote the connection."""

from __future__ import annotations

import unicodedata

_MAX_LENGTH = 300


class LoginFailed(Exception):
    """The login did not work; the text is one sentence without secrets."""


def quoted(text: str) -> str:
    """What a warehouse said, as part of a sentence: one line, bounded, for the host may be anybody's."""
    printable = "".join(" " if unicodedata.category(character)[0] == "C" else character for character in text[: 4 * _MAX_LENGTH])
    line = " ".join(printable.split())
    return line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}…"

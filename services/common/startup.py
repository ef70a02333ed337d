"""Why a service does not start."""

from __future__ import annotations


class CannotStart(Exception):
    """Something that the operator has to put right; the text is one sentence for them, and the process ends with code 1."""

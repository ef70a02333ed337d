"""Etags: by them two editors do not overwrite each other."""

from __future__ import annotations

from services.common.errors import EtagMismatch


def etag_of(revision: int) -> str:
    """The etag of a resource at `revision`."""
    return str(revision)


def check_etag(given: str, revision: int) -> None:
    """Raise EtagMismatch when `given` names another state than the present one; an empty one matches any."""
    if given and given != etag_of(revision):
        raise EtagMismatch

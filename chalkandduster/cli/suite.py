"""What the commands know of a local suite. Only here `chalkandduster.local` is imported, and late: it needs an extra."""

from __future__ import annotations

import importlib
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from chalkandduster.cli.errors import CliError
from chalkandduster.client.channel import is_loopback

DEFAULT_STATE = Path(".local")
STATE_VARIABLE = "CHALKANDDUSTER_STATE"
_ISSUER_KEY = Path("keys", "issuer.pem")
_RUN_FILE = "run.json"


def local_module(name: str) -> ModuleType:
    """A module of `chalkandduster.local`. Raises CliError when the extra `local` is not installed."""
    try:
        return importlib.import_module(f"chalkandduster.local.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("chalkandduster.local.") and error.name != "chalkandduster.local":
            raise
        raise CliError(f"this needs the local suite, and {error.name} is missing: pip install 'chalkandduster[local]'") from error


def exists(state: Path) -> bool:
    """Whether a suite was ever started with its state there."""
    return (state / _ISSUER_KEY).is_file()


def gateway_url(state: Path) -> str | None:
    """Where the gateway of the suite listens; None when none is running."""
    if not (state / _RUN_FILE).is_file():
        return None
    status = local_module("report").read(state)
    return str(status.gateway["url"]) if status.running and status.gateway else None


def is_same_place(one: str, other: str) -> bool:
    """Whether two URLs mean the same port of this machine."""
    first, second = urlsplit(one), urlsplit(other)
    return first.port == second.port and is_loopback(first.hostname or "") and is_loopback(second.hostname or "")


def mint(state: Path, *, tenant_id: str | None, role: str, lifetime: timedelta) -> str:
    """A development token. Raises CliError when there is no suite or no such token."""
    if not exists(state):
        raise CliError(f"there is no local suite in {state}: start it with 'chalkandduster up' or name another with --state")
    tokens = local_module("tokens")
    try:
        token: str = tokens.mint(state, tenant_id=tenant_id, role=role, lifetime=lifetime)
    except tokens.TokenError as error:
        raise CliError(str(error)) from error
    return token

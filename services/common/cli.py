"""The command line of a service: `python -m services.<name>.main migrate | serve`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import uvloop

from services.common.logging import setup_logging
from services.common.migrations import run_migrations
from services.common.server import BackgroundEnded
from services.common.settings import PREFIX, ServiceSettings, load_settings
from services.common.startup import CannotStart

_log = logging.getLogger(__name__)

S = TypeVar("S", bound=ServiceSettings)

USAGE_EXIT_CODE = 64


def run_service(
    service_name: str,
    settings_class: type[S],
    *,
    migrate: Callable[[S], Awaitable[object]],
    serve: Callable[[S, AsyncExitStack], Awaitable[None]],
    arguments: Sequence[str] | None = None,
) -> int:
    """Runs one of the two commands, and answers the exit code: 0 when it did what it should, else 1 with one sentence on stderr
    (2 for settings, 64 for the command line).

    What `serve` puts on the stack is closed after the drain, in reverse order.
    """
    command = list(sys.argv[1:] if arguments is None else arguments)
    if command not in (["migrate"], ["serve"]):
        sys.stderr.write(f"usage: python -m services.{service_name}.main migrate | serve\n")
        return USAGE_EXIT_CODE
    settings = load_settings(settings_class)
    setup_logging(service_name, settings.log_level)
    work = migrate(settings) if command == ["migrate"] else _serve(serve, settings)
    try:
        uvloop.run(_awaited(work))
    except (CannotStart, BackgroundEnded) as error:
        sys.stderr.write(f"{service_name}: {error}\n")
        return 1
    except Exception:
        _log.critical("The service failed.", exc_info=True)
        return 1
    return 0


async def _serve(serve: Callable[[S, AsyncExitStack], Awaitable[None]], settings: S) -> None:
    async with AsyncExitStack() as stack:
        await serve(settings, stack)


async def _awaited(work: Awaitable[object]) -> None:
    await work


async def migrate_with(settings: ServiceSettings, directory: Path, schema: str) -> list[str]:
    """What a service's `migrate` is: its files, its schema, the owner's login. Raises CannotStart."""
    if settings.migration_database_url is None:
        raise CannotStart(f"{PREFIX}MIGRATION_DATABASE_URL is missing")
    return await run_migrations(settings.migration_database_url.get_secret_value(), directory, schema)

"""The echo service as a process of its own: `python -m tests.integration.common.echo_service serve`."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from services.common.audit import AuditEvent
from services.common.auth.api_keys import NoApiKeys
from services.common.cli import migrate_with, run_service
from services.common.postgres import Database, create_pool
from services.common.rpc_errors import COMMON_CATALOG
from services.common.server import serve as serve_until_stopped
from services.common.settings import ServiceSettings
from tests.integration.common import echo


class EchoSettings(ServiceSettings):
    """Nothing of its own."""


class Silent:
    """An audit trail that nobody reads."""

    async def denied(self, event: AuditEvent) -> None:
        """Forgets."""


async def serve(settings: EchoSettings, stack: AsyncExitStack) -> None:
    pool = await create_pool(settings.database_url.get_secret_value(), application_name="echo", max_size=2)
    database = Database(pool)
    stack.push_async_callback(database.close)
    background = {"fails": [fail], "": []}[os.environ.get("ECHO_BACKGROUND", "")]
    await serve_until_stopped(
        settings=settings,
        service_name="echo",
        servicers={echo.SERVICE: echo.add_echo(echo.sleep_and_echo)},
        catalog=COMMON_CATALOG,
        api_keys=NoApiKeys(),
        audit=Silent(),
        health_checks={"database": database.ping},
        background=background,
    )


async def fail() -> None:
    await asyncio.sleep(0.2)
    raise RuntimeError("the worker broke")


async def migrate(settings: EchoSettings) -> None:
    await migrate_with(settings, Path(os.environ["ECHO_MIGRATIONS"]), "registry")


if __name__ == "__main__":
    sys.exit(run_service("echo", EchoSettings, migrate=migrate, serve=serve))

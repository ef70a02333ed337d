"""One login to Postgres, to see whether it works."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from services.registry.domain.connection import PostgresSettings
from services.registry.domain.secret import Secret
from services.registry.warehouses.failure import LoginFailed, quoted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONNECT_SECONDS = 10.0
STATEMENT_SECONDS = 5.0
_LOOK = "SELECT current_setting('server_version'), EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)"


async def log_in(settings: PostgresSettings, secret: Secret | None, addresses: Sequence[str]) -> str:
    """The server's version, when the login works and the schema is there. Raises LoginFailed."""
    with _explained(settings):
        async with _connection(settings, secret, addresses) as connection:
            version, has_schema = await connection.fetchrow(_LOOK, settings.schema, timeout=STATEMENT_SECONDS)
    if not has_schema:
        raise LoginFailed(f"The login works, but the database {settings.database} has no schema {settings.schema}.")
    return str(version)


@asynccontextmanager
async def _connection(settings: PostgresSettings, secret: Secret | None, addresses: Sequence[str]) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(
        host=_hosts(settings, addresses),
        port=settings.port,
        user=settings.user,
        # Never None: the driver would then look for a password in this process's environment and home directory.
        password=secret.value if secret else "",
        database=settings.database,
        ssl=_tls(settings.sslmode),
        timeout=CONNECT_SECONDS,
        server_settings={"application_name": "chalkandduster", "default_transaction_read_only": "on"},
    )
    try:
        yield connection
    finally:
        with contextlib.suppress(Exception):  # whatever the server does at the end, it has answered
            await connection.close(timeout=STATEMENT_SECONDS)


def _hosts(settings: PostgresSettings, addresses: Sequence[str]) -> list[str]:
    """The addresses that the egress policy let pass, so that the name cannot lead elsewhere a moment later.

    With verify-full the name is needed for the certificate, and a host that has no such certificate gets no password.
    """
    return [settings.host] if settings.sslmode == "verify-full" or not addresses else list(addresses)


def _tls(sslmode: str) -> ssl.SSLContext | str | bool:
    """Contexts of our own where possible: for a mode's name the driver reads certificates from the home directory."""
    if sslmode == "disable":
        return False
    if sslmode == "prefer":
        return "prefer"
    context = ssl.create_default_context()
    context.check_hostname = sslmode == "verify-full"
    if sslmode == "require":
        context.verify_mode = ssl.CERT_NONE
    return context


@contextlib.contextmanager
def _explained(settings: PostgresSettings) -> Iterator[None]:
    try:
        yield
    except LoginFailed:
        raise
    except Exception as error:
        raise LoginFailed(_explanation(settings, error)) from error


def _explanation(settings: PostgresSettings, error: Exception) -> str:
    place = f"{settings.host}:{settings.port}"
    match error:
        case asyncpg.InvalidPasswordError():
            return f"Postgres refused the login: wrong user or password for {settings.user}."
        case asyncpg.InvalidAuthorizationSpecificationError():
            return f"Postgres refused the login of {settings.user}: {quoted(error.message or '')}."
        case asyncpg.InvalidCatalogNameError():
            return f"There is no database {settings.database} on {place}."
        case asyncpg.PostgresError():
            return f"Postgres refused the connection: {quoted(error.message or type(error).__name__)}."
        case socket.gaierror():
            return f"The host name {settings.host} cannot be resolved to an address."
        case ssl.SSLCertVerificationError():
            return f"The certificate of {place} is not one that sslmode {settings.sslmode} accepts: {quoted(error.verify_message)}."
        case ssl.SSLError():
            return f"{place} does not speak TLS as sslmode {settings.sslmode} asks for."
        case TimeoutError() | asyncio.TimeoutError():
            return f"{place} did not answer within {CONNECT_SECONDS:.0f} seconds."
        case ConnectionRefusedError():
            return f"Nothing listens on {place}."
        case ConnectionError() if "SSL" in str(error):
            return f"{place} does not offer TLS, which sslmode {settings.sslmode} asks for."
        case OSError():
            return f"{place} cannot be reached."
        case _:
            return f"{place} does not answer like a Postgres server."

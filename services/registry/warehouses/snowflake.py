"""One login to Snowflake, to see whether it works. The connector blocks, so it runs in a thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from snowflake.connector.errorcode import ER_FAILED_TO_REQUEST
from snowflake.connector.errors import Error, ForbiddenError, HttpError, OperationalError
from snowflake.connector.util_text import construct_hostname

from services.common.snowflake_driver import ReadingCursor, StayingConnection
from services.registry.domain.connection import SnowflakeSettings
from services.registry.domain.secret import Secret, SecretKind
from services.registry.warehouses.failure import LoginFailed, quoted

REACH_SECONDS = 5.0
LOGIN_SECONDS = 10
STATEMENT_SECONDS = 10
_LOOK = "SELECT CURRENT_VERSION(), CURRENT_DATABASE(), CURRENT_SCHEMA()"


async def log_in(settings: SnowflakeSettings, secret: Secret | None, addresses: Sequence[str], executor: Executor) -> str:
    """The server's version, when the login works and database and schema are there. Raises LoginFailed."""
    await _reach(settings, addresses)
    return await asyncio.get_running_loop().run_in_executor(executor, _log_in, settings, secret)


async def _reach(settings: SnowflakeSettings, addresses: Sequence[str]) -> None:
    """Raises LoginFailed when nobody listens: the connector would try again and again, and then say little."""
    host, port = _place(settings)
    try:
        async with asyncio.timeout(REACH_SECONDS):
            _, writer = await asyncio.open_connection(addresses[0] if addresses else host, port)
    except TimeoutError as error:
        raise LoginFailed(f"{host}:{port} did not answer within {REACH_SECONDS:.0f} seconds.") from error
    except (OSError, UnicodeError) as error:
        hint = "" if settings.host else f"; is the account {settings.account} right?"
        raise LoginFailed(f"{host}:{port} cannot be reached{hint or '.'}") from error
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _place(settings: SnowflakeSettings) -> tuple[str, int]:
    # The connector's own rule: accounts in China have another domain.
    return settings.host or construct_hostname(None, settings.account), settings.effective_port


def _log_in(settings: SnowflakeSettings, secret: Secret | None) -> str:
    with _explained(settings):
        connection = StayingConnection(**_arguments(settings, secret))
        try:
            cursor: Any = connection.cursor(ReadingCursor)
            version, database, schema = cursor.execute(_LOOK, timeout=STATEMENT_SECONDS).fetchone()
        finally:
            with contextlib.suppress(Exception):  # a logout that fails changes nothing about the answer
                connection.close(retry=False)
    for name, present, wanted in (("database", database, settings.database), ("schema", schema, settings.schema)):
        if present is None:
            raise LoginFailed(f"The login works, but there is no {name} {wanted}, or the role may not use it.")
    return str(version)


def _arguments(settings: SnowflakeSettings, secret: Secret | None) -> dict[str, Any]:
    given = {"warehouse": settings.warehouse, "role": settings.role, "host": settings.host}
    return {
        "account": settings.account,
        "user": settings.user,
        "database": _identifier(settings.database),
        "schema": _identifier(settings.schema),
        "port": settings.effective_port,
        "protocol": settings.protocol,
        **{name: value for name, value in given.items() if value},
        **_login(secret),
        "application": "ChalkAndDuster",
        "login_timeout": LOGIN_SECONDS,
        # Without it the connector repeats what failed for ever.
        "network_timeout": STATEMENT_SECONDS,
        "socket_timeout": STATEMENT_SECONDS,
        # The connector would ask cloud metadata servers where it runs.
        "platform_detection_timeout_seconds": 0,
        "client_session_keep_alive": False,
        "log_imported_packages_in_telemetry": False,
        "session_parameters": {"CLIENT_TELEMETRY_ENABLED": False, "QUERY_TAG": '{"app":"chalkandduster","purpose":"test"}'},
    }


def _identifier(name: str) -> str:
    # Given in upper case it is what an unquoted name stands for; anything else only a quoted one can mean.
    return name if name == name.upper() else f'"{name}"'


def _login(secret: Secret | None) -> dict[str, Any]:
    if secret is None:
        return {}
    if secret.kind is SecretKind.PASSWORD:
        return {"password": secret.value}
    key = load_pem_private_key(secret.value.encode(), password=None)
    return {"authenticator": "SNOWFLAKE_JWT", "private_key": key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())}


@contextlib.contextmanager
def _explained(settings: SnowflakeSettings) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise LoginFailed(_explanation(settings, error)) from error


def _explanation(settings: SnowflakeSettings, error: Exception) -> str:
    host, port = _place(settings)
    match error:
        case ForbiddenError() | HttpError():
            return f"{host}:{port} knows no Snowflake account {settings.account}."
        case OperationalError() if getattr(error.__cause__, "errno", None) == ER_FAILED_TO_REQUEST:
            return f"{host}:{port} does not speak {settings.protocol}, or its certificate is not valid."
        case OperationalError():
            return f"{host}:{port} did not complete the login within {LOGIN_SECONDS} seconds."
        case Error():
            # The connector puts its own words and the address before Snowflake's.
            said = str(error.raw_msg or "").rpartition(f"{host}:{port}. ")[2]
            return f"Snowflake refused the login: {quoted(said).rstrip('.')}."
        case _:
            return f"{host}:{port} does not answer like Snowflake."

"""Fixtures common to all tests, and the fence around the network.

Databases: `databases` (session) clones prepared ones, `database` is a bootstrapped one for one test. Warehouse: `emulator`
(session), `warehouse` is a schema of it for one test. Tokens: `token_issuer`. Ports: `free_port`.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_socket
import snowflake.connector

from chalkandduster.local import ports
from chalkandduster.local.emulator import EmulatorProcess
from tests.support.databases import Database, Databases, TestServer
from tests.support.tokens import TokenIssuer
from tests.support.warehouse import USERS, Warehouse

# gRPC's fork handlers start threads in a forked child, which may then not enter the user namespace that Postgres needs under root.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

_UNIT = Path(__file__).parent / "unit"
_LOOPBACK = ["127.0.0.1", "::1"]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Unit tests open no socket but the event loop's pair; no test reaches beyond this machine."""
    if _UNIT in item.path.parents:
        pytest_socket.disable_socket(allow_unix_socket=True)
    else:
        pytest_socket.socket_allow_hosts(_LOOPBACK, allow_unix_socket=True)


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    """Settings of the developer's shell must not decide a test; the choice of Postgres binaries may."""
    ours = [name for name in os.environ if name.startswith("CHALKANDDUSTER_") and not name.startswith("CHALKANDDUSTER_LOCAL_")]
    kept = {name: os.environ.pop(name) for name in ours}
    yield
    os.environ.update(kept)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """The session's Postgres: `databases.cloned()`, `databases.prepare(name, fill)`."""
    with TestServer() as running:
        yield running


@pytest.fixture
def database(databases: Databases) -> Iterator[Database]:
    """A database with schemas and roles and no tables, for one test."""
    with databases.cloned() as clone:
        yield clone


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    """The session's Snowflake emulator, which refuses logins other than those of tests.support.warehouse.USERS."""
    with EmulatorProcess(tmp_path_factory.mktemp("emulator"), users=USERS) as running:
        yield running


@pytest.fixture
def warehouse(emulator: EmulatorProcess) -> Iterator[Warehouse]:
    """An empty schema of the emulator for one test."""
    schema = f"T_{uuid.uuid4().hex[:12].upper()}"
    with closing(snowflake.connector.connect(**emulator.connect_args)) as connection:
        connection.cursor().execute(f"CREATE SCHEMA {schema}")
        yield Warehouse(emulator, schema)
        connection.cursor().execute(f"DROP SCHEMA {schema}")


@pytest.fixture
def token_issuer(tmp_path: Path) -> TokenIssuer:
    """A fresh key with its JWKS file."""
    return TokenIssuer.create(tmp_path)


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Finds a port on 127.0.0.1 that nobody listens on."""
    return ports.find_free

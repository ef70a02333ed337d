"""One real Postgres for the whole test session; each test or module gets a clone of a prepared database."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from chalkandduster.local import bootstrap, roles
from chalkandduster.local.postgres import PostgresServer

# Nothing survives the session, so nothing needs to reach the disk.
_OPTIONS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB", "autovacuum": "off"}
_TEMPLATE = "template_bootstrapped"


@dataclass(frozen=True, slots=True)
class Database:
    """One database of the test server, with the roles of deploy/postgres/bootstrap.sql."""

    server: PostgresServer
    name: str

    def url(self, role: str) -> str:
        """A DSN for a login role (`registry_app`, `registry_owner`, …) or for `postgres`, the superuser."""
        if role == "postgres":
            return self.server.url(self.name)
        return self.server.url(self.name, role, password_of(role))

    def app_url(self, service: str) -> str:
        """As the service connects when it serves: row-level security applies."""
        return self.url(f"{service}_app")

    def owner_url(self, service: str) -> str:
        """As the service connects when it migrates."""
        return self.url(f"{service}_owner")


def password_of(role: str) -> str:
    return f"{role}-test-password"


class Databases:
    """Makes databases by cloning prepared ones, which costs some 50 ms each."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self._prepared: set[str] = set()
        self._numbers = itertools.count(1)

    def clone(self, template: str = _TEMPLATE) -> Database:
        """A new database like `template` (made by `prepare`); by default bootstrapped and without tables."""
        name = f"test_{next(self._numbers)}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return Database(self.server, name)

    @contextmanager
    def cloned(self, template: str = _TEMPLATE) -> Iterator[Database]:
        """A clone that is dropped at the end, whoever is still connected."""
        database = self.clone(template)
        try:
            yield database
        finally:
            self.drop(database)

    def prepare(self, name: str, fill: Callable[[Database], None]) -> str:
        """A template that `fill` completes (by migrations, say), once a session. `fill` must close its connections."""
        if name not in self._prepared:
            self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{_TEMPLATE}"')
            fill(Database(self.server, name))
            self._prepared.add(name)
        return name

    def drop(self, database: Database) -> None:
        self._execute(f'DROP DATABASE IF EXISTS "{database.name}" WITH (FORCE)')

    def _execute(self, sql: str) -> None:
        with closing(psycopg2.connect(self.server.url("postgres"))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)


class TestServer:
    """The session's Postgres; a context manager that leaves no process and no file."""

    __test__ = False

    def __init__(self) -> None:
        # Not pytest's tmp_path: as root Postgres runs as nobody, who may not enter it.
        self._directory = Path(tempfile.mkdtemp(prefix="chalkandduster-pg-"))
        self._directory.chmod(0o711)
        self._server = PostgresServer(self._directory / "server", options=_OPTIONS)

    def __enter__(self) -> Databases:
        self._server.start()
        bootstrap.bootstrap(self._server, {role: password_of(role) for role in roles.LOGIN_ROLES}, _TEMPLATE)
        return Databases(self._server)

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from services.common import migrations
from services.common.migrations import MigrationError, run_migrations
from tests.support.databases import Database

ROOT = Path(__file__).resolve().parents[3]
FIRST = """-- migrate:up
CREATE TABLE registry.thing (id int PRIMARY KEY, name text);
INSERT INTO thing SELECT n, 'x' FROM generate_series(1, 1000) n;
"""
INDEX = """-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS thing_name ON registry.thing (name);
-- migrate:down
DROP INDEX registry.thing_name;
"""
THIRD = """-- migrate:up
ALTER TABLE registry.thing ADD COLUMN note text;
-- migrate:down
ALTER TABLE registry.thing DROP COLUMN note;
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, text in {"0001_create_thing": FIRST, "0002_index_thing_name": INDEX, "0003_add_note": THIRD}.items():
        (tmp_path / f"{name}.sql").write_text(text)
    return tmp_path


ALL = ["0001_create_thing", "0002_index_thing_name", "0003_add_note"]


@contextmanager
def superuser(database: Database) -> Iterator[Any]:
    with closing(psycopg2.connect(database.url("postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def ask(database: Database, sql: str) -> list[Any]:
    with superuser(database) as cursor:
        cursor.execute(sql)
        return [row[0] for row in cursor.fetchall()] if cursor.description else []


async def migrate(database: Database, directory: Path) -> list[str]:
    return await run_migrations(database.owner_url("registry"), directory, "registry")


async def test_files_are_applied_once_and_in_order(database: Database, directory: Path) -> None:
    assert await migrate(database, directory) == ALL
    assert await migrate(database, directory) == []
    assert ask(database, "SELECT version FROM registry.schema_migrations ORDER BY 1") == ["0001", "0002", "0003"]
    assert ask(database, "SELECT tableowner FROM pg_tables WHERE schemaname = 'registry' AND tablename = 'thing'") == ["registry_owner"]


STARTER = """
import asyncio, sys
from pathlib import Path
from services.common.migrations import run_migrations
print(len(asyncio.run(run_migrations(sys.argv[1], Path(sys.argv[2]), "registry"))))
"""


async def test_four_processes_at_once_apply_each_file_once(database: Database, directory: Path) -> None:
    arguments = (sys.executable, "-c", STARTER, database.owner_url("registry"), str(directory))
    processes = [await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE, cwd=ROOT) for _ in range(4)]
    outputs = [(await process.communicate())[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert sorted(int(output) for output in outputs) == [0, 0, 0, 3]
    assert ask(database, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'registry.thing_name'::regclass") == [True]


async def test_a_failing_file_leaves_nothing_of_itself_and_those_before_it_whole(database: Database, directory: Path) -> None:
    (directory / "0003_add_note.sql").write_text("-- migrate:up\nCREATE TABLE registry.half (id int);\nSELECT 1 / 0;\n")
    with pytest.raises(MigrationError, match=r"0003_add_note\.sql failed: division by zero"):
        await migrate(database, directory)
    assert ask(database, "SELECT version FROM registry.schema_migrations ORDER BY 1") == ["0001", "0002"]
    assert ask(database, "SELECT to_regclass('registry.half') IS NULL") == [True]
    (directory / "0003_add_note.sql").write_text(THIRD)
    assert await migrate(database, directory) == ["0003_add_note"]


async def test_an_edited_file_is_refused(database: Database, directory: Path) -> None:
    await migrate(database, directory)
    (directory / "0001_create_thing.sql").write_text(FIRST + "-- changed\n")
    with pytest.raises(MigrationError, match=r"0001_create_thing\.sql was edited after it was applied"):
        await migrate(database, directory)


async def test_line_ends_are_no_edit(database: Database, directory: Path) -> None:
    await migrate(database, directory)
    (directory / "0001_create_thing.sql").write_bytes(FIRST.replace("\n", "\r\n").encode())
    assert await migrate(database, directory) == []


async def test_a_database_ahead_of_the_files_is_refused(database: Database, directory: Path) -> None:
    await migrate(database, directory)
    (directory / "0003_add_note.sql").unlink()
    with pytest.raises(MigrationError, match=r"does not know \(0003\)"):
        await migrate(database, directory)


async def test_a_file_that_was_merged_late_is_still_applied(database: Database, directory: Path) -> None:
    late = directory / "0002_index_thing_name.sql"
    text = late.read_text()
    late.unlink()
    await migrate(database, directory)
    late.write_text(text)
    assert await migrate(database, directory) == ["0002_index_thing_name"]


async def test_what_dbmate_applied_counts(database: Database, directory: Path) -> None:
    ask(database, f"SET ROLE registry_owner; SET search_path = registry; {FIRST}")
    ask(database, "SET ROLE registry_owner; CREATE TABLE registry.schema_migrations (version varchar(128) PRIMARY KEY)")
    ask(database, "INSERT INTO registry.schema_migrations VALUES ('0001')")
    assert await migrate(database, directory) == ALL[1:]


async def test_an_index_that_was_cut_off_half_way_is_built_anew(database: Database, directory: Path) -> None:
    (directory / "0003_add_note.sql").unlink()
    (directory / "0002_index_thing_name.sql").rename(directory / "hold")
    await migrate(database, directory)
    ask(database, "SET ROLE registry_owner; CREATE INDEX thing_name ON registry.thing (name)")
    ask(database, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'registry.thing_name'::regclass")
    (directory / "hold").rename(directory / "0002_index_thing_name.sql")
    assert await migrate(database, directory) == ["0002_index_thing_name"]
    assert ask(database, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'registry.thing_name'::regclass") == [True]


async def test_a_lock_that_somebody_holds_is_waited_for_without_blocking_the_others(
    database: Database, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_TIMEOUTS", "SET LOCAL lock_timeout = '100ms'")
    (directory / "0003_add_note.sql").rename(directory / "hold")
    await migrate(database, directory)
    (directory / "hold").rename(directory / "0003_add_note.sql")
    with closing(psycopg2.connect(database.url("postgres"))) as blocker:
        with blocker.cursor() as cursor:
            cursor.execute("LOCK TABLE registry.thing IN ACCESS SHARE MODE")
        task = asyncio.create_task(migrate(database, directory))
        await asyncio.sleep(0.5)
        assert not task.done()
        blocker.rollback()
        assert await task == ["0003_add_note"]


async def test_a_lock_that_is_never_free_ends_in_an_error(database: Database, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "_LOCK_WAIT_SECONDS", 0.3)
    async with migrations._session(database.owner_url("registry"), "registry") as other, migrations._lock(other, "registry"):
        with pytest.raises(MigrationError, match="another process has been migrating registry"):
            await migrate(database, directory)
    assert await migrate(database, directory) == ALL


async def test_a_starter_that_is_killed_leaves_the_lock_free(database: Database, directory: Path) -> None:
    (directory / "0001_create_thing.sql").write_text("-- migrate:up\nSELECT pg_sleep(60);\n")
    arguments = (sys.executable, "-c", STARTER, database.owner_url("registry"), str(directory))
    process = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT)
    async with asyncio.timeout(30):
        while not ask(database, "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    process.kill()
    await process.wait()
    ask(database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'registry-migrations'")
    (directory / "0001_create_thing.sql").write_text(FIRST)
    assert await migrate(database, directory) == ALL


async def test_a_login_that_is_refused_says_so_without_the_password(database: Database, directory: Path) -> None:
    with pytest.raises(MigrationError, match="does not accept the migrations' login") as caught:
        await run_migrations(database.owner_url("registry").replace("-test-password", "-wrong"), directory, "registry")
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("schema", ["", "Registry", "a b", 'x"; DROP SCHEMA registry; --', "x" * 64])
async def test_what_is_no_schema_name_is_refused(database: Database, directory: Path, schema: str) -> None:
    with pytest.raises(MigrationError, match="is not a schema name"):
        await run_migrations(database.owner_url("registry"), directory, schema)

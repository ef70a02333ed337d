from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import asyncpg
import psycopg2
import pytest

from services.common.errors import InvalidRequest
from services.common.postgres import (
    CheckViolation,
    Database,
    DatabaseUnavailable,
    ForeignKeyViolation,
    SwallowedError,
    UniqueViolation,
    create_pool,
    savepoint,
    translated_errors,
)
from services.common.testing.rls import unprotected_tables
from services.common.testing.sql import unprepared
from tests.support.databases import Database as Clone
from tests.support.databases import Databases

A = "0193f1c2-7e64-7000-8000-00000000000a"
B = "0193f1c2-7e64-7000-8000-00000000000b"

SCHEMA = """
SET ROLE registry_owner;
CREATE TABLE registry.thing (
    id int PRIMARY KEY,
    tenant_id uuid NOT NULL,
    name text CONSTRAINT thing_name_short CHECK (length(name) < 10),
    parent int CONSTRAINT thing_parent REFERENCES registry.thing,
    CONSTRAINT thing_name_unique UNIQUE (tenant_id, name)
);
ALTER TABLE registry.thing ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON registry.thing
    USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON registry.thing TO registry_app;
"""


def execute(database: Clone, sql: str) -> None:
    with closing(psycopg2.connect(database.url("postgres"))) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.fixture
def prepared(databases: Databases) -> Iterator[Clone]:
    with databases.cloned(databases.prepare("kit_thing", lambda database: execute(database, SCHEMA))) as clone:
        yield clone


@pytest.fixture
async def db(prepared: Clone) -> AsyncIterator[Database]:
    pool = await create_pool(prepared.app_url("registry"), application_name="kit-test", max_size=4, statement_timeout_seconds=2)
    database = Database(pool)
    yield database
    await database.close()


async def insert(db: Database, tenant: str, number: int, name: str = "n") -> None:
    async with db.tenant_tx(tenant) as connection:
        await connection.execute("INSERT INTO thing (id, tenant_id, name) VALUES ($1, $2, $3)", number, tenant, name)


async def count(db: Database, tenant: str | None) -> int:
    async with db.tenant_tx(tenant) if tenant else db.system_tx() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM thing"))


async def test_a_tenant_sees_its_own_rows_and_nobody_sees_all(db: Database) -> None:
    await insert(db, A, 1)
    await insert(db, B, 2)
    assert (await count(db, A), await count(db, B), await count(db, None)) == (1, 1, 0)


async def test_a_tenant_can_neither_write_nor_take_anothers_rows(db: Database) -> None:
    await insert(db, A, 1)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with db.tenant_tx(B) as connection:
            await connection.execute("INSERT INTO thing (id, tenant_id) VALUES (9, $1)", A)
    async with db.tenant_tx(B) as connection:
        assert await connection.execute("UPDATE thing SET name = 'stolen'") == "UPDATE 0"
        assert await connection.execute("DELETE FROM thing") == "DELETE 0"
    assert await count(db, A) == 1


async def test_the_tenant_is_forgotten_with_the_transaction(prepared: Clone) -> None:
    database = Database(await create_pool(prepared.app_url("registry"), application_name="kit-test", max_size=1))
    await insert(database, A, 1)
    assert await count(database, None) == 0
    assert await count(database, B) == 0
    await database.close()


async def test_many_tenants_on_few_connections_never_see_each_other(db: Database) -> None:
    await insert(db, A, 1)
    found = await asyncio.gather(*(count(db, A if number % 2 else B) for number in range(100)))
    assert found == [1 if number % 2 else 0 for number in range(100)]


@pytest.mark.parametrize("tenant", ["", "acme", "'; DROP TABLE thing; --", f"{{{A}}}", A + "'"])
async def test_what_is_no_uuid_never_becomes_a_tenant(db: Database, tenant: str) -> None:
    with pytest.raises(ValueError, match="UUID"):
        async with db.tenant_tx(tenant):
            pytest.fail("the transaction began")


async def test_a_block_that_raises_leaves_nothing(db: Database) -> None:
    async def fail() -> None:
        async with db.tenant_tx(A) as connection:
            await connection.execute("INSERT INTO thing (id, tenant_id) VALUES (1, $1)", A)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await count(db, A) == 0


async def test_a_cancelled_block_leaves_nothing_and_gives_its_connection_back(prepared: Clone) -> None:
    database = Database(await create_pool(prepared.app_url("registry"), application_name="kit-test", max_size=1))
    inside = asyncio.Event()

    async def work() -> None:
        async with database.tenant_tx(A) as connection:
            await connection.execute("INSERT INTO thing (id, tenant_id) VALUES (1, $1)", A)
            inside.set()
            await connection.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(database, A) == 0
    await database.close()


async def test_violations_say_which_constraint(db: Database) -> None:
    await insert(db, A, 1)
    with pytest.raises(UniqueViolation) as unique:
        await insert(db, A, 2)
    with pytest.raises(CheckViolation) as check:
        await insert(db, A, 3, "much too long")
    with pytest.raises(ForeignKeyViolation) as foreign:
        async with db.tenant_tx(A) as connection:
            await connection.execute("UPDATE thing SET parent = 99")
    assert [unique.value.constraint, check.value.constraint, foreign.value.constraint] == [
        "thing_name_unique",
        "thing_name_short",
        "thing_parent",
    ]


async def test_a_violation_can_be_caught_inside_and_the_rest_kept(db: Database) -> None:
    async with db.tenant_tx(A) as connection:
        await connection.execute("INSERT INTO thing (id, tenant_id) VALUES (1, $1)", A)
        with pytest.raises(UniqueViolation), translated_errors():
            async with savepoint(connection):
                await connection.execute("INSERT INTO thing (id, tenant_id) VALUES (1, $1)", A)
        await connection.execute("INSERT INTO thing (id, tenant_id) VALUES (2, $1)", A)
    assert await count(db, A) == 2


async def test_a_character_that_postgres_cannot_store_is_the_callers_mistake(db: Database) -> None:
    with pytest.raises(InvalidRequest, match=r"U\+0000"):
        await insert(db, A, 1, "a\0b")


async def test_a_statement_that_takes_too_long_is_cut(db: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with db.system_tx() as connection:
            await connection.execute("SELECT pg_sleep(60)")
    assert await count(db, A) == 0


async def test_connections_that_died_in_the_pool_are_replaced_unnoticed(db: Database, prepared: Clone) -> None:
    await asyncio.gather(*(count(db, A) for _ in range(8)))
    execute(prepared, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kit-test'")
    assert await asyncio.gather(*(count(db, A) for _ in range(8))) == [0] * 8


async def test_a_connection_that_dies_in_the_middle_fails_the_transaction_and_not_the_next(db: Database, prepared: Clone) -> None:
    async def work() -> None:
        async with db.tenant_tx(A) as connection:
            execute(prepared, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kit-test'")
            await connection.fetchval("SELECT 1")

    with pytest.raises(DatabaseUnavailable) as caught:
        await work()
    assert caught.value.message == "The service's database does not answer; try again later."
    await insert(db, A, 1)


async def test_a_database_that_is_not_there_is_unavailable_and_says_nothing_of_itself(prepared: Clone) -> None:
    url = prepared.app_url("registry").replace(f":{prepared.server.port}/", ":1/")
    database = Database(await create_pool(url, application_name="kit-test"))
    with pytest.raises(DatabaseUnavailable) as caught:
        await database.ping()
    assert "127.0.0.1" not in caught.value.message
    await database.close()


async def test_ping_returns_when_postgres_answers(db: Database) -> None:
    await db.ping()
    assert await count(db, A) == 0


async def test_closing_does_not_wait_for_ever(prepared: Clone) -> None:
    database = Database(await create_pool(prepared.app_url("registry"), application_name="kit-test"))
    begun = asyncio.Event()

    async def hold() -> None:
        async with database.system_tx() as connection:
            begun.set()
            await connection.execute("SELECT pg_sleep(20)")

    task = asyncio.create_task(hold())
    await begun.wait()
    async with asyncio.timeout(15):
        await database.close()
        with pytest.raises((DatabaseUnavailable, asyncpg.InterfaceError)):
            await task


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("ALTER TABLE registry.thing DISABLE ROW LEVEL SECURITY", "table thing does not ENABLE row-level security"),
        (
            "ALTER TABLE registry.thing NO FORCE ROW LEVEL SECURITY",
            "table thing does not FORCE row-level security, so its owner sees everything",
        ),
        ("DROP POLICY own ON registry.thing", "table thing has no policy"),
        ("CREATE POLICY wide ON registry.thing USING (true)", "table thing has a policy that does not ask for app.tenant_id"),
        ("ALTER POLICY own ON registry.thing WITH CHECK (true)", "table thing has a policy that does not ask for app.tenant_id"),
        ("CREATE VIEW registry.peek AS SELECT * FROM registry.thing", "view peek does not run with the caller's rights"),
        ("CREATE MATERIALIZED VIEW registry.copy AS SELECT * FROM registry.thing", "view copy does not run with the caller's rights"),
        (
            "CREATE FUNCTION registry.f() RETURNS bigint SECURITY DEFINER LANGUAGE sql AS 'SELECT count(*) FROM registry.thing'",
            "function f has no search_path of its own",
        ),
        ("CREATE TABLE registry.other (id int)", "table other does not ENABLE row-level security"),
    ],
)
async def test_the_catalogue_query_finds_what_shows_rows_to_others(prepared: Clone, change: str, problem: str) -> None:
    execute(prepared, change)
    connection = await asyncpg.connect(prepared.url("postgres"))
    assert problem in await unprotected_tables(connection, "registry")
    await connection.close()


async def test_the_catalogue_query_finds_nothing_in_a_schema_that_is_closed(prepared: Clone) -> None:
    execute(
        prepared,
        "CREATE VIEW registry.own WITH (security_invoker = true) AS SELECT * FROM registry.thing; CREATE TABLE registry.zone (name text)",
    )
    connection = await asyncpg.connect(prepared.url("postgres"))
    assert await unprotected_tables(connection, "registry", untenanted=["zone"]) == []
    await connection.close()


async def test_statements_that_do_not_fit_the_schema_are_found(db: Database) -> None:
    statements = {"good": "SELECT id FROM thing WHERE id = $1", "typo": "SELECT idd FROM thing", "broken": "SELEC 1"}
    async with db.system_tx() as connection:
        assert set(await unprepared(connection, {"good": statements["good"]})) == set()
    pool = db._pool
    connection = await pool.acquire()
    assert set(await unprepared(connection, statements)) == {"typo", "broken"}
    await pool.release(connection)


async def test_an_error_of_the_work_itself_is_not_blamed_on_the_database(db: Database) -> None:
    async def work() -> None:
        async with db.tenant_tx(A):
            raise FileNotFoundError("settings.yaml")

    with pytest.raises(FileNotFoundError):
        await work()
    assert await count(db, A) == 0


async def test_a_wrong_number_of_arguments_is_not_blamed_on_the_database(db: Database) -> None:
    async def work() -> None:
        async with db.tenant_tx(A) as connection:
            await connection.fetch("SELECT $1::int")

    with pytest.raises(asyncpg.InterfaceError):
        await work()


async def test_a_busy_pool_is_well_as_long_as_work_gets_through(prepared: Clone) -> None:
    database = Database(await create_pool(prepared.app_url("registry"), application_name="kit-test", max_size=1))
    await insert(database, A, 1)
    async with database.tenant_tx(A):
        await asyncio.sleep(1.6)
        await database.ping()
    assert await count(database, A) == 1
    await database.close()


async def test_an_error_that_the_block_swallowed_does_not_lose_its_work_in_silence(db: Database) -> None:
    async def work() -> None:
        async with db.tenant_tx(A) as connection:
            await connection.execute("INSERT INTO thing (id, tenant_id) VALUES (1, $1)", A)
            with contextlib.suppress(asyncpg.UndefinedTableError):
                await connection.execute("SELECT * FROM nowhere")

    with pytest.raises(SwallowedError):
        await work()
    assert await count(db, A) == 0

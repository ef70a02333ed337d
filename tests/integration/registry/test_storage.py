"""What Postgres itself keeps apart, and what the statements promise beyond the contract of the store."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from services.common.ids import new_id
from services.common.postgres import Database as Transactions
from services.common.postgres import create_pool
from services.registry.domain.dataset import DatasetFilter
from services.registry.domain.paging import PageRequest
from services.registry.domain.request_key import StoredRequest
from services.registry.main import MIGRATIONS
from services.registry.storage import api_keys, audit_events, connections, create_requests, datasets, tenants
from services.registry.storage.store import PostgresStore
from tests.support.databases import Database
from tests.unit.registry import samples

STATEMENTS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": statement
    for module in (api_keys, audit_events, connections, create_requests, datasets, tenants)
    for name, statement in module.SQL.items()
}


@asynccontextmanager
async def session(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[PostgresStore]:
    transactions = Transactions(await create_pool(database.app_url("registry"), application_name="test"))
    try:
        yield PostgresStore(transactions)
    finally:
        await transactions.close()


async def test_every_statement_fits_the_migrated_schema(registry_database: Database) -> None:
    async with session(registry_database.app_url("registry")) as connection:
        for name, statement in STATEMENTS.items():
            assert await connection.prepare(statement), name


async def test_every_table_is_behind_forced_row_level_security(registry_database: Database) -> None:
    async with session(registry_database.url("postgres")) as connection:
        rows = await connection.fetch(
            "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,"
            " (SELECT array_agg(pg_get_expr(p.polqual, p.polrelid) = pg_get_expr(p.polwithcheck, p.polrelid)"
            "    AND pg_get_expr(p.polqual, p.polrelid) LIKE '%NULLIF(current_setting(''app.tenant_id''%')"
            "  FROM pg_policy p WHERE p.polrelid = c.oid) AS policies"
            " FROM pg_class c WHERE c.relnamespace = 'registry'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')"
        )
    tables = {row["relname"]: (row["relrowsecurity"], row["relforcerowsecurity"], row["policies"]) for row in rows}
    del tables["schema_migrations"]
    assert tables == dict.fromkeys(
        ["api_keys", "audit_events", "connections", "create_requests", "datasets", "tenants"], (True, True, [True])
    )


async def test_functions_that_look_across_tenants_are_closed_to_others(registry_database: Database) -> None:
    async with session(registry_database.url("postgres")) as connection:
        rows = await connection.fetch(
            "SELECT proname, prosecdef, proconfig, pg_get_userbyid(proowner) AS owner,"
            " has_function_privilege('registry_app', oid, 'EXECUTE') AS ours,"
            " has_function_privilege('quality_app', oid, 'EXECUTE') AS others"
            " FROM pg_proc WHERE pronamespace = 'registry'::regnamespace"
        )
    assert len(rows) == 7
    for row in rows:
        found = (row["prosecdef"], row["proconfig"], row["owner"], row["ours"], row["others"])
        assert found == (True, ["search_path=registry, pg_temp"], "registry_system", True, False), row["proname"]


async def test_without_a_tenant_nothing_is_seen_and_nothing_goes_in(registry_database: Database) -> None:
    async with opened(registry_database) as store:
        tenant = samples.tenant()
        async with store.tenant(tenant.id) as tx:
            await tx.tenants.add(tenant)
    async with session(registry_database.app_url("registry")) as connection:
        assert await connection.fetchval("SELECT count(*) FROM registry.tenants") == 0
        assert await connection.execute("UPDATE registry.tenants SET display_name = 'x'") == "UPDATE 0"
        assert await connection.execute("DELETE FROM registry.tenants") == "DELETE 0"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("INSERT INTO registry.create_requests VALUES ($1, 'm', 'r', $1, '')", new_id())


async def test_audit_trail_cannot_be_rewritten(registry_database: Database) -> None:
    async with session(registry_database.app_url("registry")) as connection:
        for statement in (
            "UPDATE registry.audit_events SET actor = 'x'",
            "DELETE FROM registry.audit_events",
            "TRUNCATE registry.audit_events",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_page_of_large_datasets_is_cut_by_bytes_and_goes_on(registry_database: Database) -> None:
    tenant = samples.tenant()
    async with opened(registry_database) as store:
        connection = samples.connection(tenant.id)
        async with store.tenant(tenant.id) as tx:
            await tx.tenants.add(tenant)
            await tx.connections.add(connection)
            for index in range(20):
                await tx.datasets.add(samples.dataset(tenant.id, connection.id, f"d{index}", checks_yaml="x" * 250_000))
        sizes = []
        after = None
        async with store.tenant(tenant.id) as tx:
            while True:
                page = await tx.datasets.list(DatasetFilter(), PageRequest(1000, after))
                sizes.append(len(page.items))
                after = page.last_key
                if after is None:
                    break
    assert sizes == [9, 9, 2]


async def test_request_id_is_free_again_after_a_day(registry_database: Database) -> None:
    tenant = samples.tenant()
    first, second = StoredRequest(new_id(), b"one"), StoredRequest(new_id(), b"two")
    async with opened(registry_database) as store:
        async with store.tenant(tenant.id) as tx:
            await tx.tenants.add(tenant)
            await tx.requests.claim("CreateDataset", "r1", first)
            await tx.platform_requests.claim("CreateTenant", "r1", first)
        async with session(registry_database.url("postgres")) as connection:
            await connection.execute("UPDATE registry.create_requests SET create_time = now() - interval '24 hours 1 second'")
        async with store.tenant(tenant.id) as tx:
            assert await tx.requests.find("CreateDataset", "r1") is None
            assert await tx.platform_requests.find("CreateTenant", "r1") is None
            assert await tx.requests.claim("CreateDataset", "r1", second)
            assert await tx.requests.find("CreateDataset", "r1") == second
        assert await store.forget_requests() == 1
        async with store.tenant(tenant.id) as tx:
            assert await tx.platform_requests.claim("CreateTenant", "r1", second)


async def test_migrations_can_be_taken_back(registry_database: Database) -> None:
    files = sorted(MIGRATIONS.glob("*.sql"), reverse=True)
    async with session(registry_database.owner_url("registry")) as connection:
        for file in files:
            await connection.execute(re.split(r"^-- migrate:down", file.read_text(), flags=re.MULTILINE)[1])
        left = await connection.fetch("SELECT relname FROM pg_class WHERE relnamespace = 'registry'::regnamespace AND relkind = 'r'")
        functions = await connection.fetchval("SELECT count(*) FROM pg_proc WHERE pronamespace = 'registry'::regnamespace")
    assert ([row["relname"] for row in left], functions) == (["schema_migrations"], 0)

"""A small shop in either warehouse, and scans of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from textwrap import dedent
from typing import Any

import psycopg2

from services.quality.domain.connection import ConnectionSpec, PostgresConnection, SnowflakeConnection
from services.quality.domain.history import HistoryReader
from services.quality.domain.scan import CheckResult, HistoryQuery, Measurement, SamplePolicy, ScanOutcome, ScanRequest
from services.quality.soda.engine import SodaEngine
from tests.support.databases import Database
from tests.support.warehouse import PASSWORD, USER, Warehouse

SHOP = (
    "CREATE TABLE customers (id INT, email VARCHAR(200), country VARCHAR(10), total FLOAT, share VARCHAR(20), created TIMESTAMP, d INT)",
    (
        "INSERT INTO customers VALUES "
        "(1, 'ann@example.com', 'DE', 10.5, '10%', '2026-01-01 10:00:00', 1), "
        "(2, 'bob@example.com', 'FR', 20.0, '20%', '2026-01-02 10:00:00', 2), "
        "(3, NULL, 'DE', 30.0, '30%', '2026-01-03 10:00:00', 3), "
        "(4, 'not an address', 'IT', NULL, 'n/a', '2026-01-04 10:00:00', 4), "
        "(4, 'eve@example.com', 'XX', 50.0, '50%', '2026-01-05 10:00:00', 5)"
    ),
    "CREATE TABLE orders (id INT, customer_id INT, amount FLOAT)",
    "INSERT INTO orders VALUES (1, 1, 5.0), (2, 2, 6.0), (3, 9, 7.0), (4, NULL, 8.0), (5, 4, 9.0)",
    "CREATE TABLE nothing (id INT, amount FLOAT)",
)
"""Five customers with one flaw of each kind, five orders of which one names an unknown customer, and an empty table."""

SHOP_TIME = datetime.fromisoformat("2026-01-06T10:00:00+00:00")


def snowflake_spec(warehouse: Warehouse, **changes: Any) -> SnowflakeConnection:
    """The connection of a test's schema in the emulator."""
    spec = SnowflakeConnection(
        account="emulator", user=USER, password=PASSWORD, warehouse="", database=warehouse.database, schema=warehouse.schema, role="",
        host=warehouse.emulator.host, port=warehouse.emulator.port, protocol="http",
    )  # fmt: skip
    return replace(spec, **changes)


def postgres_spec(database: Database, **changes: Any) -> PostgresConnection:
    """The connection of a test's database, as the superuser: nothing but our own fences keeps it from harm."""
    parts = psycopg2.extensions.parse_dsn(database.url("postgres"))
    spec = PostgresConnection(
        host=parts["host"], port=int(parts.get("port", 5432)), database=database.name, schema="public",
        user=parts.get("user", "postgres"), password=parts.get("password", ""), sslmode="prefer",
    )  # fmt: skip
    return replace(spec, **changes)


def run_in_postgres(database: Database, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements; the rows of the last, if it has any."""
    with closing(psycopg2.connect(database.url("postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


@dataclass
class KeptHistory:
    """History in memory, as the store answers it: newest first, before a time."""

    entries: list[Measurement] = field(default_factory=list)
    asked: list[HistoryQuery] = field(default_factory=list)

    def keep(self, outcome: ScanOutcome) -> None:
        self.entries.extend(outcome.measurements)

    async def measurements(self, query: HistoryQuery) -> Sequence[Measurement]:
        self.asked.append(query)
        found = [entry for entry in self.entries if entry.metric_identity == query.metric_identity]
        found = [entry for entry in found if query.before is None or entry.data_time < query.before]
        return sorted(found, key=lambda entry: entry.data_time, reverse=True)[: query.limit]


@dataclass
class Scanner:
    """Scans with one engine on one connection."""

    engine: SodaEngine
    connection: ConnectionSpec
    history: HistoryReader = field(default_factory=KeptHistory)
    tenant: str = "tenant-1"

    def request(self, checks: str, **changes: Any) -> ScanRequest:
        """A scan request with everything a test does not care about filled in."""
        request = ScanRequest(
            tenant_id=self.tenant, dataset_id="dataset-1", run_id=uuid.uuid4().hex, attempt=1, connection_id="connection-1",
            connection_revision=str(hash(self.connection)), connection=self.connection, database="", schema="", table="customers",
            checks_yaml=dedent(checks), deadline_seconds=45.0, data_time=SHOP_TIME,
        )  # fmt: skip
        return replace(request, **changes)

    async def outcome(self, checks: str, **changes: Any) -> ScanOutcome:
        return await self.engine.scan(self.request(checks, **changes), self.history)

    async def scan(self, checks: str, **changes: Any) -> tuple[CheckResult, ...]:
        return (await self.outcome(checks, **changes)).checks

    async def one(self, check: str, *, table: str = "customers", variables: Mapping[str, str] | None = None, **changes: Any) -> CheckResult:
        """The result of a single check, written as the YAML that stands after the dash."""
        item = "\n    ".join(dedent(check).strip().splitlines())
        results = await self.scan(f"checks for {table}:\n  - {item}\n", variables=variables or {}, **changes)
        assert len(results) == 1
        return results[0]


NO_SAMPLES = SamplePolicy()

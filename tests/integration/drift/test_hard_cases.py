"""Tables that are odd, and warehouses that are slow or leave in the middle."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from chalkandduster.drift.v1 import evaluation_pb2, finding_pb2, profile_pb2
from services.drift.app.ports import SessionRequest
from services.drift.domain.connection import PostgresConnection
from services.drift.domain.dataset import DatasetDefinition
from services.drift.domain.errors import WarehouseUnreachable
from services.drift.warehouses.opened import OpenWarehouses
from services.drift.warehouses.postgres import PostgresSession
from tests.integration.drift.harness import Drift
from tests.integration.drift.tables import orders

ODD_TABLES = {
    "empty": "CREATE TABLE shop.t (a int, b text, c timestamp, d boolean)",
    "no columns": "CREATE TABLE shop.t ()",
    "one row": "CREATE TABLE shop.t AS SELECT 1 AS a, 'x' AS b, now()::timestamp AS c, true AS d",
    "all null": "CREATE TABLE shop.t AS SELECT NULL::int AS a, NULL::text AS b, NULL::timestamp AS c FROM generate_series(1, 50)",
    "constant": "CREATE TABLE shop.t AS SELECT 7 AS a, 'same' AS b, date '2026-01-01' AS c FROM generate_series(1, 50)",
    "all distinct": "CREATE TABLE shop.t AS SELECT g AS a, 'v' || g AS b, "
    "now()::timestamp + g * interval '1 s' AS c FROM generate_series(1, 3000) g",
    "nan and infinity": "CREATE TABLE shop.t AS SELECT (ARRAY['NaN', 'Infinity', '-Infinity', '1'])[1 + g % 4]::float8 AS a, "
    "(ARRAY['infinity', '-infinity', '2026-01-01'])[1 + g % 3]::timestamp AS c FROM generate_series(1, 40) g",
    "odd names": 'CREATE TABLE shop.t AS SELECT 1 AS "with ""quotes""",'
    ' 2 AS "with space", 3 AS "größe ✓", 4 AS "select", 5 AS "A", 6 AS "a"',
    "odd types": "CREATE TABLE shop.t AS SELECT '{}'::jsonb AS a, gen_random_uuid() AS b, '1 day'::interval AS c, ARRAY[1] AS d, "
    "'x'::bytea AS e, 1::money AS f, '127.0.0.1'::inet AS g, now() AS h, '10:00'::time AS i, 'x'::char(3) AS j",
    "odd values": "CREATE TABLE shop.t AS SELECT E'line\\nbreak' AS a, '; DROP TABLE shop.t; --' AS b, repeat('x', 100000) AS c, "
    "1e300::float8 AS d, 0.1::numeric(30,20) AS e",
}


@pytest.mark.parametrize("name", ODD_TABLES)
async def test_odd_table_is_profiled_completely(drift: Drift, name: str) -> None:
    await drift.sql(ODD_TABLES[name])
    dataset = drift.dataset("t")
    for _ in range(2):
        answer = await drift.service().evaluate(dataset)
        assert (answer.partitions_judged, answer.complete, list(answer.findings)) == (1, True, []), name
    listed = await drift.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=dataset, with_columns=True))
    (profile,) = listed.profiles
    counted = await drift.rows("SELECT count(*) AS n FROM shop.t")
    assert profile.row_count == counted[0]["n"]


async def test_names_are_found_whatever_their_case_when_that_is_clear(drift: Drift) -> None:
    await drift.sql('CREATE TABLE shop."Orders" (a int)', "CREATE TABLE shop.twins (a int)", 'CREATE TABLE shop."TWINS" (b int, c int)')
    assert (await drift.service().evaluate(drift.dataset("ORDERS"))).complete
    exact = drift.dataset("TWINS")
    await drift.service().evaluate(exact)
    (profile,) = (await drift.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=exact, with_columns=True))).profiles
    assert [column.name for column in profile.columns] == ["b", "c"]
    unclear = await drift.service().refused("EvaluateDataset", _evaluate(drift.dataset("Twins")))
    assert unclear.reason == "TABLE_NOT_FOUND"


async def test_column_that_changes_its_type_is_profiled_as_what_it_is(drift: Drift) -> None:
    await drift.sql("CREATE TABLE shop.t AS SELECT g AS a FROM generate_series(1, 20) g")
    dataset = drift.dataset("t", "grain: hour\n")
    kinds = []
    for change in ("text USING a::text", "numeric USING a::numeric", "boolean USING a > 3"):
        await drift.service().evaluate(dataset)
        newest = (await drift.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=dataset, with_columns=True))).profiles[
            0
        ]
        kinds.append(profile_pb2.ColumnProfile.Kind.Name(newest.columns[0].kind))
        await drift.sql(f"ALTER TABLE shop.t ALTER a TYPE {change}")
    assert kinds == ["NUMBER", "TEXT", "NUMBER"]
    assert newest.columns[0].histogram.counts


async def test_statement_that_takes_too_long_leaves_a_partial_profile_and_says_so(drift: Drift, monkeypatch: pytest.MonkeyPatch) -> None:
    await drift.sql(
        "CREATE TABLE shop.t (" + ", ".join(f"c{number} int" for number in range(70)) + ")",
        "INSERT INTO shop.t (c0, c69) SELECT g, g FROM generate_series(1, 10) g",
    )
    dataset = drift.dataset("t")
    await drift.service().evaluate(dataset)
    query = PostgresSession.query

    async def slow(self: PostgresSession, sql: str, seconds: float) -> Any:
        return await query(self, "SELECT pg_sleep(60)" if '"c69" AS c69' in sql else sql, 0.2 if '"c69" AS c69' in sql else seconds)

    monkeypatch.setattr(PostgresSession, "query", slow)
    answer = await drift.service().evaluate(dataset)
    (note,) = answer.findings
    assert (answer.complete, note.change, note.severity) == (False, "profile_incomplete", finding_pb2.DriftFinding.INFO)
    assert "c60, c61, c62 and 7 more" in note.message
    assert "stopped" in note.message
    (profile,) = (await drift.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=dataset))).profiles
    assert (profile.row_count, list(profile.missing_columns)[:2]) == (10, ["c60", "c61"])
    assert profile_pb2.Profile.Standing.Name(profile.standing) == "INCOMPLETE"


async def test_profile_that_is_all_too_slow_is_a_note_and_no_profile(drift: Drift, monkeypatch: pytest.MonkeyPatch) -> None:
    await orders(drift)
    dataset = drift.dataset("orders")
    query = PostgresSession.query

    async def slow(self: PostgresSession, sql: str, seconds: float) -> Any:
        return await query(self, "SELECT pg_sleep(60)", 0.1)

    monkeypatch.setattr(PostgresSession, "query", slow)
    answer = await drift.service().evaluate(dataset)
    assert [finding.message for finding in answer.findings] == ["Nothing could be measured. A statement was stopped after 0 seconds."]
    assert (answer.partitions_judged, answer.complete) == (0, False)
    assert await drift.rows("SELECT 1 FROM drift.watches") == []


async def test_one_column_that_cannot_be_measured_erases_no_neighbour(drift: Drift) -> None:
    await drift.sql(
        "CREATE FUNCTION shop.broken(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE 'no'; END$$",
        "CREATE VIEW shop.v AS SELECT g AS a, shop.broken(g) AS b, 'x' AS c FROM generate_series(1, 10) g",
    )
    dataset = drift.dataset("v")
    answer = await drift.service().evaluate(dataset)
    (profile,) = (await drift.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=dataset, with_columns=True))).profiles
    assert [column.name for column in profile.columns] == ["a", "c"]
    assert (list(profile.missing_columns), answer.complete) == (["b"], False)


async def test_table_dropped_in_the_middle_is_a_finding(drift: Drift, monkeypatch: pytest.MonkeyPatch) -> None:
    await orders(drift)
    dataset = drift.dataset("orders")
    await drift.service().evaluate(dataset)
    query = PostgresSession.query

    async def dropping(self: PostgresSession, sql: str, seconds: float) -> Any:
        await drift.sql("DROP TABLE IF EXISTS shop.orders")
        return await query(self, sql, seconds)

    monkeypatch.setattr(PostgresSession, "query", dropping)
    answer = await drift.service().evaluate(dataset)
    assert [finding.change for finding in answer.findings] == ["table_missing"]


async def test_call_that_is_cancelled_stops_its_statement(drift: Drift) -> None:
    await drift.sql("CREATE VIEW shop.v AS SELECT pg_sleep(0.1)::text AS a FROM generate_series(1, 1000)")
    task = asyncio.create_task(drift.service().evaluate(drift.dataset("v")))
    await drift.until_active(1)
    task.cancel()
    await drift.until_active(0)


async def test_partitions_of_an_instant_column_begin_in_the_datasets_zone(drift: Drift) -> None:
    await drift.sql(
        "CREATE TABLE shop.t (at timestamptz)",
        # Midnight in Vienna is 23:00 UTC of the day before in winter, 22:00 in summer; the clocks change on March 29th.
        "INSERT INTO shop.t SELECT generate_series(timestamptz '2026-03-26 00:00 Europe/Vienna', "
        "'2026-03-31 23:30 Europe/Vienna', '30 min')",
    )
    drift.clock[0] = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)
    dataset = drift.dataset("t", "partition: {column: at, timezone: Europe/Vienna}\n")
    await drift.service().evaluate(dataset)
    profiles = (await drift.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=dataset))).profiles
    assert [profile.row_count for profile in profiles] == [48, 48, 46, 48, 48, 48]
    assert profiles[0].partition_time.ToDatetime(UTC) == datetime(2026, 3, 30, 22, tzinfo=UTC)
    assert profiles[3].partition_time.ToDatetime(UTC) == datetime(2026, 3, 27, 23, tzinfo=UTC)


async def test_hours_that_a_clock_change_skips_or_repeats_are_not_judged(drift: Drift) -> None:
    await drift.sql(
        "CREATE TABLE shop.t (at timestamp)",
        "INSERT INTO shop.t SELECT at FROM generate_series(timestamp '2026-03-28 20:00', '2026-03-29 05:59', '10 min') at "
        "WHERE date_trunc('hour', at) <> '2026-03-29 02:00'",
    )
    drift.clock[0] = datetime(2026, 3, 29, 4, 5, tzinfo=UTC)
    dataset = drift.dataset("t", "partition: {column: at, grain: hour, timezone: Europe/Vienna}\n")
    answer = await drift.service().evaluate(dataset)
    profiles = (await drift.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=dataset))).profiles
    assert (list(answer.findings), {profile.row_count for profile in profiles}, len(profiles)) == ([], {6}, 9)


async def test_sensitive_values_leave_the_warehouse_as_hashes_that_differ_by_tenant(drift: Drift) -> None:
    await orders(drift)
    seen = []
    for tenant in (drift.tenant, str(uuid.uuid4())):
        dataset = drift.dataset("orders", "columns: {sensitive: [COUNTRY]}\n", tenant=tenant)
        await drift.service(tenant).evaluate(dataset)
        request = profile_pb2.ListProfilesRequest(dataset_id=dataset, with_columns=True)
        (profile,) = (await drift.user(tenant_id=tenant).call("ListProfiles", request)).profiles
        (country,) = [column for column in profile.columns if column.name == "country"]
        seen.append([value.value for value in country.top_values])
    assert all(len(value) == 16 for values in seen for value in values)
    assert not set(seen[0]) & set(seen[1])
    kept = await drift.rows("SELECT body FROM drift.profiles")
    assert not any('"AT"' in row["body"] for row in kept)


async def test_columns_are_chosen_by_the_settings(drift: Drift) -> None:
    await orders(drift)
    for settings, columns in (
        ("columns: {include: [ID, amount]}\n", ["id", "amount"]),
        ("columns: {exclude: [email, id]}\n", ["amount", "country", "created_at"]),
    ):
        dataset = drift.dataset("orders", settings)
        await drift.service().evaluate(dataset)
        (profile,) = (
            await drift.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=dataset, with_columns=True))
        ).profiles
        assert [column.name for column in profile.columns] == columns


async def test_the_login_reads_and_nothing_else(drift: Drift) -> None:
    await orders(drift)
    await drift.sql("GRANT DELETE ON shop.orders TO notifier_app")
    login = drift.warehouse.postgres
    spec = PostgresConnection(login.host, login.port, login.database, login.schema, login.user, login.sslmode, login.password)
    warehouses = OpenWarehouses(1)
    dataset = DatasetDefinition("d", "orders", "", "", "orders", "", (), spec, tenant_active=True)
    async with warehouses.open(spec, SessionRequest({"dataset": "d"}, "UTC")) as session:
        assert await session.table(dataset)
        with pytest.raises(Exception, match="read-only"):
            await session.query("DELETE FROM shop.orders", 5)
    with pytest.raises(WarehouseUnreachable):
        async with warehouses.open(PostgresConnection("127.0.0.1", 1, "d", "s", "u", "disable"), SessionRequest({}, "UTC")):
            raise AssertionError("nobody listens there")
    warehouses.close()


def _evaluate(dataset: str) -> evaluation_pb2.EvaluateDatasetRequest:
    return evaluation_pb2.EvaluateDatasetRequest(dataset_id=dataset, run_id=str(uuid.uuid4()))

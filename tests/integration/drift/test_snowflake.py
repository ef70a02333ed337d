"""Snowflake as the warehouse: the real connector against the emulator."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from chalkandduster.drift.v1 import backfill_pb2, evaluation_pb2, profile_pb2
from chalkandduster.registry.v1 import connection_pb2
from services.drift.warehouses import snowflake
from tests.integration.drift.backfills import ended, started
from tests.integration.drift.harness import Drift
from tests.support.warehouse import PASSWORD, USER, Warehouse


def connection(warehouse: Warehouse, **changes: object) -> connection_pb2.Connection:
    given = warehouse.connect_args
    fields = {
        "account": given["account"], "user": USER, "password": PASSWORD, "host": given["host"], "port": int(given["port"]),
        "protocol": given["protocol"], "database": warehouse.database, "schema": warehouse.schema,
    }  # fmt: skip
    settings = connection_pb2.SnowflakeSettings(**(fields | changes))
    return connection_pb2.Connection(id=str(uuid.uuid4()), name="sf", snowflake=settings)


def fill(warehouse: Warehouse) -> None:
    warehouse.execute(
        'CREATE TABLE ORDERS (ID INT, AMOUNT NUMBER(10,2), COUNTRY VARCHAR(2), "e mail" VARCHAR, CREATED_AT TIMESTAMP_NTZ, PAID BOOLEAN, '
        "EXTRA VARIANT)",
        "INSERT INTO ORDERS SELECT SEQ4(), SEQ4() % 50, CASE SEQ4() % 3 WHEN 0 THEN 'AT' ELSE 'DE' END, 'm' || SEQ4(), "
        "DATEADD('hour', SEQ4() % 24, DATEADD('day', -1 - (SEQ4() % 10), '2026-03-12'::TIMESTAMP_NTZ)), SEQ4() % 2 = 0, NULL "
        "FROM TABLE(GENERATOR(ROWCOUNT => 1000))",
    )


async def test_table_is_profiled_with_its_history(drift: Drift, warehouse: Warehouse) -> None:
    fill(warehouse)
    dataset = drift.dataset("orders", "partition: {column: created_at}\n", connection=connection(warehouse))
    answer = await drift.service().evaluate(dataset)
    assert (answer.partitions_judged, answer.complete, list(answer.findings)) == (1, True, [])
    listed = await drift.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=dataset, with_columns=True))
    assert [profile.row_count for profile in listed.profiles] == [100] * 10
    newest = listed.profiles[0]
    assert newest.partition_time.ToDatetime(UTC) == datetime(2026, 3, 11, tzinfo=UTC)
    columns = {column.name: column for column in newest.columns}
    assert list(columns) == ["ID", "AMOUNT", "COUNTRY", "e mail", "CREATED_AT", "PAID", "EXTRA"]
    assert columns["AMOUNT"].declared_type == "NUMBER(10,2)"
    assert sum(columns["AMOUNT"].histogram.counts) == 100
    assert {value.value for value in columns["COUNTRY"].top_values} == {"AT", "DE"}
    assert (columns["EXTRA"].null_count, profile_pb2.ColumnProfile.Kind.Name(columns["EXTRA"].kind)) == (100, "OTHER")


async def test_drift_is_found(drift: Drift, warehouse: Warehouse) -> None:
    fill(warehouse)
    warehouse.execute("UPDATE ORDERS SET COUNTRY = NULL WHERE CREATED_AT >= '2026-03-11'")
    dataset = drift.dataset("ORDERS", "partition: {column: CREATED_AT}\n", connection=connection(warehouse))
    answer = await drift.service().evaluate(dataset)
    assert [(finding.change, list(finding.columns)) for finding in answer.findings] == [("null_rate", ["COUNTRY"])]


async def test_past_by_time_travel_is_impossible_where_the_warehouse_keeps_none(drift: Drift, warehouse: Warehouse) -> None:
    fill(warehouse)
    dataset = drift.dataset("orders", connection=connection(warehouse))
    await started(drift, dataset)
    backfill = await ended(drift, dataset)
    assert (backfill.error_reason, backfill_pb2.Backfill.Source.Name(backfill.source)) == ("BACKFILL_IMPOSSIBLE", "TIME_TRAVEL")


async def test_what_does_not_work_says_why(drift: Drift, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snowflake, "REACH_SECONDS", 1.0)
    cases = {
        "WAREHOUSE_REFUSED_LOGIN": connection(warehouse, password="wrong"),
        "WAREHOUSE_UNREACHABLE": connection(warehouse, port=1),
        "TABLE_NOT_FOUND": connection(warehouse, schema="NOWHERE"),
    }
    for reason, place in cases.items():
        request = evaluation_pb2.EvaluateDatasetRequest(dataset_id=drift.dataset("orders", connection=place), run_id=str(uuid.uuid4()))
        error = await drift.service().refused("EvaluateDataset", request)
        assert error.reason == reason
        assert "wrong" not in error.message


async def test_host_that_the_operator_does_not_allow_is_not_reached(drift: Drift, warehouse: Warehouse) -> None:
    dataset = drift.dataset("orders", connection=connection(warehouse, host="169.254.169.254"))
    request = evaluation_pb2.EvaluateDatasetRequest(dataset_id=dataset, run_id=str(uuid.uuid4()))
    assert (await drift.service().refused("EvaluateDataset", request)).reason == "EGRESS_DENIED"

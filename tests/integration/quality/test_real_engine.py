"""The whole path with the real engine: trigger, scan on the Snowflake emulator, results as a caller reads them."""

from __future__ import annotations

import pytest

from chalkandduster.quality.v1 import check_pb2, run_pb2
from chalkandduster.registry.v1 import connection_pb2
from tests.integration.quality.platform import Platform
from tests.support.warehouse import PASSWORD, USER, Warehouse

Run = run_pb2.Run
Check = check_pb2.CheckResult

CHECKS = """\
checks for customers:
# a comment that stays
- row_count > 0
- missing_count(email) = 0
- avg(age) between 20 and 80
- missing_count(no_such_column) = 0
"""


def connection(warehouse: Warehouse, connection_id: str, password: str = PASSWORD) -> connection_pb2.Connection:
    arguments = warehouse.connect_args
    settings = connection_pb2.SnowflakeSettings(
        account=arguments["account"],
        user=USER,
        password=password,
        database=warehouse.database,
        schema=warehouse.schema,
        host=arguments["host"],
        port=int(arguments["port"]),
        protocol=arguments["protocol"],
    )
    return connection_pb2.Connection(id=connection_id, name="warehouse", snowflake=settings)


@pytest.fixture
def customers(warehouse: Warehouse) -> Warehouse:
    warehouse.execute(
        "CREATE TABLE customers (id int, email varchar, age int)",
        "INSERT INTO customers VALUES (1, 'a@example.com', 30), (2, NULL, 40), (3, NULL, 50)",
    )
    return warehouse


async def test_each_declared_check_has_one_verdict_of_its_own(platform: Platform, customers: Warehouse, tenant: str, dataset: str) -> None:
    platform.registry.put(tenant, dataset, table="customers", checks_yaml=CHECKS, connection=connection(customers, dataset))
    quality = await platform.start(module="services.quality.main")
    caller = await platform.caller(quality, tenant)
    ended = await caller.ended((await caller.trigger(dataset)).id)
    assert ended.error.message == ""
    assert [check.verdict for check in ended.checks] == [Check.PASS, Check.FAIL, Check.PASS, Check.ERROR]
    assert [check.line for check in ended.checks] == [3, 4, 5, 6]
    assert (ended.state, ended.verdict) == (Run.SUCCEEDED, Run.FAIL)
    assert ended.checks[1].measured_value == 2
    assert ended.checks[1].failed_rows_count == 2


async def test_a_wrong_password_ends_the_run_at_once_and_says_so(
    platform: Platform, customers: Warehouse, tenant: str, dataset: str
) -> None:
    platform.registry.put(tenant, dataset, checks_yaml=CHECKS, connection=connection(customers, dataset, password="wrong"))
    caller = await platform.caller(await platform.start(module="services.quality.main"), tenant)
    ended = await caller.ended((await caller.trigger(dataset)).id)
    assert (ended.state, ended.verdict, ended.attempts) == (Run.ERRORED, Run.ERROR, 1)
    assert ended.error.reason == "WAREHOUSE_REFUSED_LOGIN"
    assert "wrong" not in ended.error.message


async def test_an_unreachable_warehouse_is_tried_again_and_then_given_up(platform: Platform, tenant: str, dataset: str) -> None:
    platform.registry.put(tenant, dataset, checks_yaml=CHECKS)
    quality = await platform.start(module="services.quality.main", retry_delays_seconds="[0.1, 0.1]")
    caller = await platform.caller(quality, tenant)
    ended = await caller.ended((await caller.trigger(dataset)).id)
    assert (ended.state, ended.attempts, ended.error.reason) == (Run.ERRORED, 3, "WAREHOUSE_UNREACHABLE")


async def test_an_address_that_the_operator_forbids_is_not_connected_to(
    platform: Platform, customers: Warehouse, tenant: str, dataset: str
) -> None:
    platform.registry.put(tenant, dataset, checks_yaml=CHECKS, connection=connection(customers, dataset))
    quality = await platform.start(module="services.quality.main", egress_allow_loopback="false")
    caller = await platform.caller(quality, tenant)
    ended = await caller.ended((await caller.trigger(dataset)).id)
    assert (ended.state, ended.attempts, ended.error.reason) == (Run.ERRORED, 1, "EGRESS_DENIED")


async def test_a_preview_answers_results_and_stores_nothing(platform: Platform, customers: Warehouse, tenant: str, dataset: str) -> None:
    platform.registry.put(tenant, dataset, connection=connection(customers, dataset))
    caller = await platform.caller(await platform.start(module="services.quality.main"), tenant)
    request = check_pb2.PreviewChecksRequest(
        connection_id=dataset, checks_yaml="checks for customers:\n- missing_count(email) < ${limit}\n", variables={"limit": "2"}
    )
    previewed = await caller.call("PreviewChecks", request)
    assert (previewed.state, previewed.verdict, previewed.id) == (Run.SUCCEEDED, Run.FAIL, "")
    assert [check.measured_value for check in previewed.checks] == [2]
    assert list((await caller.call("ListRuns", run_pb2.ListRunsRequest())).runs) == []


async def test_validation_names_the_line_of_each_problem(platform: Platform, tenant: str) -> None:
    caller = await platform.caller(await platform.start(module="services.quality.main"), tenant, "viewer")
    request = check_pb2.ValidateChecksRequest(checks_yaml="checks for customers:\n- row_count > 0\n- no_such_check > 0\n")
    found = await caller.call("ValidateChecks", request)
    assert not found.valid
    assert [error.line for error in found.errors] == [3]
    too_large = await caller.call("ValidateChecks", check_pb2.ValidateChecksRequest(checks_yaml="#" * 300_000))
    assert not too_large.valid
    assert "256 KiB" in too_large.errors[0].message

"""The service with the engine that it ships with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalkandduster.drift.v1 import baseline_pb2, evaluation_pb2, finding_pb2, profile_pb2
from services.drift.engine.drift_engine import DriftEngine
from tests.integration.drift.harness import NOON, Drift, running_drift
from tests.integration.drift.tables import DAILY, more_sales, orders, sales
from tests.integration.drift.test_hard_cases import ODD_TABLES
from tests.support.databases import Database
from tests.support.tokens import TokenIssuer


@pytest.fixture
async def real(tmp_path: Path, drift_database: Database, token_issuer: TokenIssuer) -> AsyncIterator[Drift]:
    async with running_drift(tmp_path, drift_database, token_issuer, DriftEngine()) as running:
        yield running


async def found(drift: Drift, dataset: str) -> list[finding_pb2.DriftFinding]:
    """What alarms: an INFO finding is told, and alarms nobody."""
    findings = (await drift.service().evaluate(dataset)).findings
    return [finding for finding in findings if finding.severity > finding_pb2.DriftFinding.INFO]


@pytest.mark.parametrize("name", ODD_TABLES)
async def test_odd_table_that_does_not_change_is_no_drift(real: Drift, name: str) -> None:
    await real.sql(ODD_TABLES[name])
    dataset = real.dataset("t")
    for day in range(6):
        real.clock[0] = NOON + timedelta(days=day)
        assert await found(real, dataset) == [], (name, day)


async def test_faults_of_a_day_are_found_against_the_tables_own_past(real: Drift) -> None:
    await sales(real)
    await real.sql(
        "UPDATE shop.sales SET email = NULL WHERE created_at >= '2026-03-11' AND id % 3 = 0",
        "UPDATE shop.sales SET country = 'A1' WHERE created_at >= '2026-03-11' AND country = 'AT'",
    )
    (finding,) = await found(real, real.dataset("sales", DAILY))
    assert finding.kind == finding_pb2.DriftFinding.DISTRIBUTION
    assert set(finding.columns) == {"email", "country"}
    assert "null rate" in finding.message
    assert "category renamed: 'AT' → 'A1'" in finding.message
    kept = await real.user().call("GetDrift", finding_pb2.GetDriftRequest(id=finding.id))
    (plot,) = [plot for plot in kept.plots if plot.column == "country"]
    shares = dict(zip(plot.categories.values, plot.categories.current_shares, strict=True))
    assert shares["A1"] > 0.3


async def test_missing_day_is_a_stall(real: Drift) -> None:
    await sales(real)
    dataset = real.dataset("sales", DAILY)
    assert await found(real, dataset) == []
    real.clock[0] = NOON + timedelta(days=1)
    (finding,) = await found(real, dataset)
    assert (finding.change, finding.severity) == ("volume_stall", finding_pb2.DriftFinding.CRITICAL)
    kept = await real.user().call("GetDrift", finding_pb2.GetDriftRequest(id=finding.id))
    assert kept.plots[0].series.points[-1].value == 0
    assert kept.plots[0].series.points[-1].low > 0
    _, profile, *_ = (await real.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=dataset))).profiles
    assert 0 < profile.band.low < profile.row_count < profile.band.high
    assert 0 < profile.band.smallest_change < 1


async def test_columns_that_come_go_and_change_are_told(real: Drift) -> None:
    await orders(real)
    dataset = real.dataset("orders")
    await found(real, dataset)
    await real.sql(
        "ALTER TABLE shop.orders RENAME COLUMN email TO e_mail",
        "ALTER TABLE shop.orders ALTER COLUMN amount TYPE numeric(20,2)",
        "ALTER TABLE shop.orders ADD COLUMN note text",
        "ALTER TABLE shop.orders DROP COLUMN country",
    )
    real.clock[0] = NOON + timedelta(days=1)
    changes = {finding.change: list(finding.columns) for finding in (await real.service().evaluate(dataset)).findings}
    assert changes["column_renamed"] == ["email"]
    assert changes["type_widened"] == ["amount"]
    assert changes["column_added"] == ["note"]
    assert changes["column_removed"] == ["country"]


async def test_accepted_level_of_a_column_is_the_new_normal(real: Drift) -> None:
    await sales(real)
    await real.sql("UPDATE shop.sales SET email = NULL WHERE created_at >= '2026-03-11'")
    dataset = real.dataset("sales", DAILY)
    assert [list(finding.columns) for finding in await found(real, dataset)] == [["email"]]
    request = baseline_pb2.AcceptBaselineRequest(dataset_id=dataset, columns=["email"], reason="moved to another table")
    await real.user("editor").call("AcceptBaseline", request)
    assert await found(real, dataset) == []
    await more_sales(real, "2026-03-12")
    await real.sql("UPDATE shop.sales SET email = NULL WHERE created_at >= '2026-03-12'")
    real.clock[0] = NOON + timedelta(days=1)
    assert await found(real, dataset) == []
    await real.user("editor").call("RollbackBaseline", baseline_pb2.RollbackBaselineRequest(dataset_id=dataset))
    answer = await real.service().evaluate(dataset)
    assert "email" in {column for finding in answer.findings for column in finding.columns}


async def test_clock_changes_and_weekends_are_no_drift(real: Drift) -> None:
    await real.sql(
        "CREATE TABLE shop.t (at timestamptz, x int); SELECT setseed(0.4)",
        # In one call with its seed: 20 rows an hour on workdays, 5 on weekends, by local time, over both ends of the summer.
        "INSERT INTO shop.t SELECT h + n * interval '1 min', floor(random() * 10)::int FROM "
        "generate_series(timestamptz '2026-01-26 00:00 Europe/Vienna', '2026-03-31 23:00 Europe/Vienna', '1 hour') h, "
        "generate_series(1, 20) n "
        "WHERE n <= CASE WHEN extract(isodow FROM h AT TIME ZONE 'Europe/Vienna') > 5 THEN 5 ELSE 20 END",
    )
    dataset = real.dataset("t", "partition: {column: at, timezone: Europe/Vienna}\nholidays: AT\n")
    real.clock[0] = datetime(2026, 3, 26, 12, tzinfo=UTC)
    assert await found(real, dataset) == []
    for day in range(27, 32):
        real.clock[0] = datetime(2026, 3, day, 12, tzinfo=UTC)
        assert await found(real, dataset) == [], day


async def test_history_of_three_says_little_and_says_so(real: Drift) -> None:
    await orders(real, days=4, rows=50)
    dataset = real.dataset("orders", DAILY)
    assert await found(real, dataset) == []
    profiles = (await real.user().call("ListProfiles", profile_pb2.ListProfilesRequest(dataset_id=dataset))).profiles
    assert len(profiles) == 4
    assert not profiles[0].HasField("band") or profiles[0].band.smallest_change > 0.3


async def test_checks_of_a_run_are_answered_from_the_history(real: Drift) -> None:
    await sales(real)
    await real.sql("DELETE FROM shop.sales WHERE created_at >= '2026-03-11' AND id % 10 > 1")
    dataset = real.dataset("sales", DAILY)
    checks = [
        evaluation_pb2.DriftCheck(id="rows", anomaly=evaluation_pb2.AnomalyCheck(metric="row_count")),
        evaluation_pb2.DriftCheck(id="tarot", anomaly=evaluation_pb2.AnomalyCheck(metric="tarot", column="x")),
        evaluation_pb2.DriftCheck(id="country", distribution=evaluation_pb2.DistributionCheck(column="COUNTRY", threshold=0.0001)),
    ]
    answer = await real.service().evaluate(dataset, checks=checks)
    verdicts = {result.id: evaluation_pb2.DriftCheckResult.Verdict.Name(result.verdict) for result in answer.checks}
    assert verdicts == {"rows": "FAIL", "tarot": "ERROR", "country": "PASS"}
    assert answer.checks[0].message.startswith(f"row_count is {answer.checks[0].measured_value:g}, expected between ")

"""Every RPC of drift with another tenant's ids: nothing is found, and nothing changes."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import grpc
import pytest

from chalkandduster.common.v1 import access_pb2
from chalkandduster.drift.v1 import backfill_pb2, baseline_pb2, drift_service_pb2, evaluation_pb2, finding_pb2, profile_pb2
from services.common.sql import load_statements
from services.common.testing.catalog import missing_from_catalog
from services.common.testing.rls import unprotected_tables
from services.common.testing.sql import unprepared
from services.drift.rpc.errors import CATALOG
from tests.integration.drift.harness import Drift
from tests.integration.drift.tables import DAILY, orders
from tests.support.databases import Database

_SERVICE = drift_service_pb2.DESCRIPTOR.services_by_name["DriftService"]


@dataclass(frozen=True)
class Ids:
    """What the other tenant has."""

    dataset: str
    finding: str
    profile: str


Case = Callable[[Ids], Any]
NOT_FOUND: dict[str, tuple[str, Case]] = {
    "EvaluateDataset": (
        "DATASET_NOT_FOUND",
        lambda ids: evaluation_pb2.EvaluateDatasetRequest(dataset_id=ids.dataset, run_id=str(uuid.uuid4())),
    ),
    "ListDrifts": ("DATASET_NOT_FOUND", lambda ids: finding_pb2.ListDriftsRequest(dataset_id=ids.dataset)),
    "GetDrift": ("DRIFT_NOT_FOUND", lambda ids: finding_pb2.GetDriftRequest(id=ids.finding)),
    "JudgeDrift": (
        "DRIFT_NOT_FOUND",
        lambda ids: finding_pb2.JudgeDriftRequest(id=ids.finding, verdict=finding_pb2.DriftFeedback.FALSE),
    ),
    "ListProfiles": ("DATASET_NOT_FOUND", lambda ids: profile_pb2.ListProfilesRequest(dataset_id=ids.dataset)),
    "GetProfile": (
        "PROFILE_NOT_FOUND",
        lambda ids: profile_pb2.GetProfileRequest(dataset_id=ids.dataset, profile_id=ids.profile),
    ),
    "GetBaseline": ("BASELINE_NOT_FOUND", lambda ids: baseline_pb2.GetBaselineRequest(dataset_id=ids.dataset)),
    "AcceptBaseline": ("DATASET_NOT_FOUND", lambda ids: baseline_pb2.AcceptBaselineRequest(dataset_id=ids.dataset)),
    "RollbackBaseline": ("DATASET_NOT_FOUND", lambda ids: baseline_pb2.RollbackBaselineRequest(dataset_id=ids.dataset)),
    "ListBaselines": ("DATASET_NOT_FOUND", lambda ids: baseline_pb2.ListBaselinesRequest(dataset_id=ids.dataset)),
    "DiffBaselines": ("BASELINE_NOT_FOUND", lambda ids: baseline_pb2.DiffBaselinesRequest(dataset_id=ids.dataset)),
    "StartBackfill": ("DATASET_NOT_FOUND", lambda ids: backfill_pb2.StartBackfillRequest(dataset_id=ids.dataset)),
    "GetBackfill": ("BACKFILL_NOT_FOUND", lambda ids: backfill_pb2.GetBackfillRequest(dataset_id=ids.dataset)),
    "CancelBackfill": ("BACKFILL_NOT_FOUND", lambda ids: backfill_pb2.CancelBackfillRequest(dataset_id=ids.dataset)),
}
# Acts in no tenant and takes no id.
WITHOUT_IDS = {"ValidateDriftSettings"}


@pytest.fixture
async def others(drift: Drift) -> Ids:
    """Another tenant with one of everything."""
    await orders(drift)
    await drift.sql("UPDATE shop.orders SET email = NULL WHERE created_at >= '2026-03-11'")
    tenant = str(uuid.uuid4())
    dataset = drift.dataset("orders", DAILY, tenant=tenant)
    (finding,) = (await drift.service(tenant).evaluate(dataset)).findings
    kept = await drift.user(tenant_id=tenant).call("GetDrift", finding_pb2.GetDriftRequest(id=finding.id))
    return Ids(dataset, finding.id, kept.profile_id)


async def everything(drift: Drift) -> list[Any]:
    tables = ("watches", "profiles", "findings", "feedback", "evaluations", "baselines", "backfills")
    return [await drift.rows(f"SELECT * FROM drift.{table} ORDER BY 1, 2") for table in tables]


def test_every_rpc_has_a_case_and_an_access_rule() -> None:
    assert {method.name for method in _SERVICE.methods} == NOT_FOUND.keys() | WITHOUT_IDS
    for method in _SERVICE.methods:
        assert method.GetOptions().Extensions[access_pb2.access].permission


async def test_another_tenants_ids_lead_nowhere(drift: Drift, others: Ids) -> None:
    before = await everything(drift)
    for method, (reason, case) in NOT_FOUND.items():
        caller = drift.service() if method == "EvaluateDataset" else drift.user()
        error = await caller.refused(method, case(others))
        assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, reason), method
    assert await everything(drift) == before


async def test_lists_without_a_filter_show_nothing_of_another_tenant(drift: Drift, others: Ids) -> None:
    answer = await drift.user().call("ListDrifts", finding_pb2.ListDriftsRequest())
    assert list(answer.drifts) == []


async def test_page_tokens_fit_one_tenant_only(drift: Drift, others: Ids) -> None:
    error = await drift.user().refused("ListDrifts", finding_pb2.ListDriftsRequest(page_token="bm90IG1pbmU"))
    assert error.reason == "INVALID_PAGE_TOKEN"


async def test_every_table_is_protected_by_row_level_security(drift_database: Database) -> None:
    connection = await asyncpg.connect(drift_database.url("postgres"))
    assert list(await unprotected_tables(connection, "drift")) == []
    await connection.close()


async def test_every_statement_fits_the_schema(drift_database: Database) -> None:
    connection = await asyncpg.connect(drift_database.app_url("drift"))
    for name in ("watches", "profiles", "findings", "baselines", "backfills"):
        assert await unprepared(connection, load_statements("services.drift.storage.sql", f"{name}.sql")) == {}
    await connection.close()


def test_every_error_has_a_status() -> None:
    assert missing_from_catalog(CATALOG, "services.drift") == []

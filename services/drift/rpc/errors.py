"""The errors of drift as callers see them."""

from __future__ import annotations

from types import MappingProxyType

import grpc

from services.common.rpc_errors import COMMON_CATALOG, ErrorCatalog, ErrorSpec
from services.drift.domain import errors

CATALOG: ErrorCatalog = MappingProxyType(
    {
        **COMMON_CATALOG,
        errors.DatasetNotFound: ErrorSpec(grpc.StatusCode.NOT_FOUND, "DATASET_NOT_FOUND"),
        errors.DriftNotFound: ErrorSpec(grpc.StatusCode.NOT_FOUND, "DRIFT_NOT_FOUND"),
        errors.ProfileNotFound: ErrorSpec(grpc.StatusCode.NOT_FOUND, "PROFILE_NOT_FOUND"),
        errors.BaselineNotFound: ErrorSpec(grpc.StatusCode.NOT_FOUND, "BASELINE_NOT_FOUND"),
        errors.BackfillNotFound: ErrorSpec(grpc.StatusCode.NOT_FOUND, "BACKFILL_NOT_FOUND"),
        errors.InvalidDriftSettings: ErrorSpec(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_DRIFT_SETTINGS"),
        errors.BackfillRunning: ErrorSpec(grpc.StatusCode.FAILED_PRECONDITION, "BACKFILL_RUNNING"),
        errors.BackfillEnded: ErrorSpec(grpc.StatusCode.FAILED_PRECONDITION, "BACKFILL_ENDED"),
        errors.BackfillImpossible: ErrorSpec(grpc.StatusCode.FAILED_PRECONDITION, "BACKFILL_IMPOSSIBLE"),
        errors.NothingToAccept: ErrorSpec(grpc.StatusCode.FAILED_PRECONDITION, "NOTHING_TO_ACCEPT"),
        errors.TenantSuspended: ErrorSpec(grpc.StatusCode.FAILED_PRECONDITION, "TENANT_SUSPENDED"),
        errors.TableNotFound: ErrorSpec(grpc.StatusCode.FAILED_PRECONDITION, "TABLE_NOT_FOUND"),
        errors.WarehouseUnreachable: ErrorSpec(grpc.StatusCode.UNAVAILABLE, "WAREHOUSE_UNREACHABLE"),
        errors.WarehouseRefusedLogin: ErrorSpec(grpc.StatusCode.FAILED_PRECONDITION, "WAREHOUSE_REFUSED_LOGIN"),
        errors.WarehouseRefusedStatement: ErrorSpec(grpc.StatusCode.FAILED_PRECONDITION, "WAREHOUSE_REFUSED_STATEMENT"),
        errors.StatementTimedOut: ErrorSpec(grpc.StatusCode.DEADLINE_EXCEEDED, "SCAN_DEADLINE_EXCEEDED"),
    }
)

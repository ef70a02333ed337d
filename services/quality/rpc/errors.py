"""The errors of quality as callers see them."""

from __future__ import annotations

from types import MappingProxyType

import grpc

from services.common.rpc_errors import COMMON_CATALOG, ErrorCatalog, ErrorSpec
from services.quality.domain import errors

CATALOG: ErrorCatalog = MappingProxyType(
    {
        **COMMON_CATALOG,
        errors.DatasetNotFound: ErrorSpec(grpc.StatusCode.NOT_FOUND, "DATASET_NOT_FOUND"),
        errors.ConnectionNotFound: ErrorSpec(grpc.StatusCode.NOT_FOUND, "CONNECTION_NOT_FOUND"),
        errors.RunNotFound: ErrorSpec(grpc.StatusCode.NOT_FOUND, "RUN_NOT_FOUND"),
        errors.ScheduleNotFound: ErrorSpec(grpc.StatusCode.NOT_FOUND, "SCHEDULE_NOT_FOUND"),
        errors.InvalidChecks: ErrorSpec(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_CHECKS"),
        errors.InvalidSchedule: ErrorSpec(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_SCHEDULE"),
        errors.NothingToRun: ErrorSpec(grpc.StatusCode.FAILED_PRECONDITION, "NOTHING_TO_RUN"),
        errors.RunEnded: ErrorSpec(grpc.StatusCode.FAILED_PRECONDITION, "RUN_ENDED"),
        errors.TenantSuspended: ErrorSpec(grpc.StatusCode.FAILED_PRECONDITION, "TENANT_SUSPENDED"),
        errors.WarehouseUnreachable: ErrorSpec(grpc.StatusCode.UNAVAILABLE, "WAREHOUSE_UNREACHABLE"),
        errors.WarehouseRefusedLogin: ErrorSpec(grpc.StatusCode.FAILED_PRECONDITION, "WAREHOUSE_REFUSED_LOGIN"),
        errors.ScanDeadlineExceeded: ErrorSpec(grpc.StatusCode.DEADLINE_EXCEEDED, "SCAN_DEADLINE_EXCEEDED"),
        errors.ScanWorkerDied: ErrorSpec(grpc.StatusCode.UNAVAILABLE, "SCAN_WORKER_DIED"),
        errors.ScanOutOfMemory: ErrorSpec(grpc.StatusCode.RESOURCE_EXHAUSTED, "SCAN_OUT_OF_MEMORY"),
    }
)

"""The status of each error of the registry: the only place that names status codes."""

from __future__ import annotations

from types import MappingProxyType

import grpc

from services.common.rpc_errors import COMMON_CATALOG, ErrorCatalog, ErrorSpec
from services.registry.domain import errors

CATALOG: ErrorCatalog = MappingProxyType(
    {
        **COMMON_CATALOG,
        errors.InvalidChecks: ErrorSpec(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_CHECKS"),
        errors.InvalidDriftSettings: ErrorSpec(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_DRIFT_SETTINGS"),
        errors.TenantNotFound: ErrorSpec(grpc.StatusCode.NOT_FOUND, "TENANT_NOT_FOUND"),
        errors.ConnectionNotFound: ErrorSpec(grpc.StatusCode.NOT_FOUND, "CONNECTION_NOT_FOUND"),
        errors.DatasetNotFound: ErrorSpec(grpc.StatusCode.NOT_FOUND, "DATASET_NOT_FOUND"),
        errors.ApiKeyNotFound: ErrorSpec(grpc.StatusCode.NOT_FOUND, "API_KEY_NOT_FOUND"),
        errors.TenantSuspended: ErrorSpec(grpc.StatusCode.FAILED_PRECONDITION, "TENANT_SUSPENDED"),
    }
)

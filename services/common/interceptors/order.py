"""The order of the interceptors. The first is the outermost: it begins first and ends last."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.metrics import Meter

from services.common.access import AccessRules
from services.common.audit import AuditSink
from services.common.auth.api_keys import ApiKeyAuthenticator
from services.common.auth.tokens import TokenVerifier
from services.common.interceptors.access_log import AccessLogInterceptor
from services.common.interceptors.authentication import AuthenticationInterceptor
from services.common.interceptors.base import CallInterceptor
from services.common.interceptors.error_mapping import ErrorMappingInterceptor
from services.common.interceptors.metrics import MetricsInterceptor
from services.common.interceptors.permission import PermissionInterceptor
from services.common.interceptors.request_id import RequestIdInterceptor
from services.common.interceptors.validation import ValidationInterceptor
from services.common.rpc_errors import ErrorCatalog


def interceptors(
    *,
    catalog: ErrorCatalog,
    audit: AuditSink,
    rules: AccessRules,
    tokens: TokenVerifier,
    api_keys: ApiKeyAuthenticator,
    meter: Meter,
) -> Sequence[CallInterceptor]:
    """All of them, in the order in which a server must have them."""
    return (
        RequestIdInterceptor(),  # first: everything after it writes the id somewhere
        AccessLogInterceptor(),  # sees the final code, so it is outside whatever can set one
        MetricsInterceptor(meter),  # likewise; refused calls count too
        ErrorMappingInterceptor(catalog, audit),  # inside log and metrics, which need codes; outside all that raises our errors
        AuthenticationInterceptor(rules, tokens, api_keys),  # before anything that depends on who calls
        PermissionInterceptor(rules),  # before validation: who may not call learns nothing about what the call takes
        ValidationInterceptor(),  # last: the request is read only for callers who may make it
    )

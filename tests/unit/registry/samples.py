"""Resources for tests of the registry."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from services.common.audit import AuditEvent, Outcome
from services.common.ids import new_id
from services.registry.domain.api_key import ApiKey, hash_key
from services.registry.domain.caller import Caller
from services.registry.domain.connection import Connection, ConnectionDraft, PostgresSettings, SnowflakeSettings
from services.registry.domain.dataset import Dataset, DatasetDraft
from services.registry.domain.secret import Secret, SecretKind, StoredSecret
from services.registry.domain.tenant import Tenant

TIME = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
SNOWFLAKE = SnowflakeSettings(account="acme", user="CHALK", database="SHOP", schema="PUBLIC")
POSTGRES = PostgresSettings(host="db.example.com", user="reader", database="shop")
PASSWORD = Secret(SecretKind.PASSWORD, "s3cret-p4ss")


def caller(tenant_id: str | None, role: str = "tenant_admin", action: str = "registry.Test") -> Caller:
    return Caller("ann", action, frozenset({role}), tenant_id, "192.0.2.7", "request-1")


def tenant(name: str = "acme", **fields: Any) -> Tenant:
    return Tenant(new_id(), name, TIME, TIME, **fields)


def connection(tenant_id: str, name: str = "wh", **fields: Any) -> Connection:
    made = Connection(new_id(), tenant_id, name, SNOWFLAKE, TIME, TIME, secret=StoredSecret(SecretKind.PASSWORD, 1, b"sealed"))
    return replace(made, **fields)


def connection_draft(name: str = "wh", settings: Any = SNOWFLAKE, secret: Secret | None = PASSWORD, **changes: Any) -> ConnectionDraft:
    return ConnectionDraft(name, "", replace(settings, **changes), secret)


def dataset_draft(connection_id: str, name: str = "customers", **fields: Any) -> DatasetDraft:
    return replace(DatasetDraft(name, connection_id, "CUSTOMERS"), **fields)


def dataset(tenant_id: str, connection_id: str, name: str = "customers", **fields: Any) -> Dataset:
    return Dataset(new_id(), tenant_id, dataset_draft(connection_id, name, **fields), 0, TIME, TIME)


def api_key(tenant_id: str, name: str = "ci", **fields: Any) -> ApiKey:
    key_id = new_id()
    return replace(ApiKey(key_id, tenant_id, name, "editor", hash_key(key_id), TIME), **fields)


def audit_event(tenant_id: str | None, **fields: Any) -> AuditEvent:
    made = AuditEvent(action="registry.UpdateDataset", actor="ann", outcome=Outcome.ALLOWED, tenant_id=tenant_id, create_time=TIME)
    return replace(made, **fields)

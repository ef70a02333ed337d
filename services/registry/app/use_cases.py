"""All use cases of the registry."""

from __future__ import annotations

from dataclasses import dataclass

from services.registry.app.authenticate_api_key import AuthenticateApiKey
from services.registry.app.create_api_key import CreateApiKey
from services.registry.app.create_connection import CreateConnection
from services.registry.app.create_dataset import CreateDataset
from services.registry.app.create_tenant import CreateTenant
from services.registry.app.delete_connection import DeleteConnection
from services.registry.app.delete_dataset import DeleteDataset
from services.registry.app.delete_tenant import DeleteTenant
from services.registry.app.get_connection import GetConnection
from services.registry.app.get_dataset import GetDataset
from services.registry.app.get_health import GetHealth
from services.registry.app.get_tenant import GetTenant
from services.registry.app.list_api_keys import ListApiKeys
from services.registry.app.list_audit_events import ListAuditEvents
from services.registry.app.list_connections import ListConnections
from services.registry.app.list_datasets import ListDatasets
from services.registry.app.list_tenants import ListTenants
from services.registry.app.record_audit_events import RecordAuditEvents
from services.registry.app.resolve_connection import ResolveConnection
from services.registry.app.resolve_dataset import ResolveDataset
from services.registry.app.revoke_api_key import RevokeApiKey
from services.registry.app.test_connection import TestConnection
from services.registry.app.update_connection import UpdateConnection
from services.registry.app.update_dataset import UpdateDataset
from services.registry.app.update_tenant import UpdateTenant


@dataclass(frozen=True, slots=True)
class UseCases:
    """One field a use case, named by its verb."""

    create_tenant: CreateTenant
    get_tenant: GetTenant
    list_tenants: ListTenants
    update_tenant: UpdateTenant
    delete_tenant: DeleteTenant
    create_connection: CreateConnection
    get_connection: GetConnection
    list_connections: ListConnections
    update_connection: UpdateConnection
    delete_connection: DeleteConnection
    test_connection: TestConnection
    create_dataset: CreateDataset
    get_dataset: GetDataset
    list_datasets: ListDatasets
    update_dataset: UpdateDataset
    delete_dataset: DeleteDataset
    create_api_key: CreateApiKey
    list_api_keys: ListApiKeys
    revoke_api_key: RevokeApiKey
    authenticate_api_key: AuthenticateApiKey
    list_audit_events: ListAuditEvents
    record_audit_events: RecordAuditEvents
    get_health: GetHealth
    resolve_connection: ResolveConnection
    resolve_dataset: ResolveDataset

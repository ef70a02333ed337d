"""The registry: `python -m services.registry.main migrate | serve`."""

from __future__ import annotations

import functools
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from chalkandduster.registry.v1.registry_service_pb2_grpc import add_RegistryServiceServicer_to_server
from services.common.audit import BufferedAuditSink
from services.common.auth.jwks import JwksError
from services.common.auth.tokens import ServiceTokenSigner
from services.common.cli import migrate_with, run_service
from services.common.client import ServiceClient, open_channel
from services.common.clock import now
from services.common.egress import EgressPolicy
from services.common.ids import new_id
from services.common.postgres import Database, create_pool
from services.common.sealing import KeyRing, Sealer, SealingError
from services.common.server import serve
from services.common.startup import CannotStart
from services.registry.app.auditing import AuditTrail
from services.registry.app.authenticate_api_key import AuthenticateApiKey
from services.registry.app.create_api_key import CreateApiKey
from services.registry.app.create_connection import CreateConnection
from services.registry.app.create_dataset import CreateDataset
from services.registry.app.create_tenant import CreateTenant
from services.registry.app.delete_connection import DeleteConnection
from services.registry.app.delete_dataset import DeleteDataset
from services.registry.app.delete_tenant import DeleteTenant
from services.registry.app.forget_requests import ForgetRequests
from services.registry.app.get_connection import GetConnection
from services.registry.app.get_dataset import GetDataset
from services.registry.app.get_health import GetHealth
from services.registry.app.get_tenant import GetTenant
from services.registry.app.key_uses import KeyUses
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
from services.registry.app.use_cases import UseCases
from services.registry.clients.drift import DriftClient
from services.registry.clients.egress import TenantEgress
from services.registry.clients.quality import QualityClient
from services.registry.rpc.errors import CATALOG
from services.registry.rpc.own_api_keys import OwnApiKeys
from services.registry.rpc.servicer import SERVICE_NAME, RegistryServicer
from services.registry.settings import RegistrySettings
from services.registry.storage.sealing import RowSealer
from services.registry.storage.store import PostgresStore
from services.registry.warehouses.probe import Warehouses

SCHEMA = "registry"
MIGRATIONS = Path(__file__).parent / "storage" / "migrations"


async def migrate(settings: RegistrySettings) -> list[str]:
    """Bring the schema up to date; the names of the migrations that were applied."""
    return await migrate_with(settings, MIGRATIONS, SCHEMA)


async def run(settings: RegistrySettings, stack: AsyncExitStack) -> None:
    """Serve until told to stop."""
    database = await _open_database(settings, stack)
    store = PostgresStore(database)
    key_uses = KeyUses(store)
    use_cases = _build(settings, stack, database, store, key_uses)
    audit = BufferedAuditSink(use_cases.record_audit_events.execute)
    add_servicer = functools.partial(add_RegistryServiceServicer_to_server, RegistryServicer(use_cases))
    await serve(
        settings=settings,
        service_name="registry",
        servicers={SERVICE_NAME: add_servicer},
        catalog=CATALOG,
        api_keys=OwnApiKeys(use_cases.authenticate_api_key),
        audit=audit,
        health_checks={"postgres": database.ping},
        background=(audit.run, key_uses.run, ForgetRequests(store).run),
    )


async def _open_database(settings: RegistrySettings, stack: AsyncExitStack) -> Database:
    pool = await create_pool(
        settings.database_url.get_secret_value(),
        application_name="registry",
        search_path=SCHEMA,
        max_size=settings.database_pool_size,
        statement_timeout_seconds=settings.database_statement_timeout_seconds,
    )
    database = Database(pool)
    stack.push_async_callback(database.close)
    return database


def _open_quality(settings: RegistrySettings, stack: AsyncExitStack, signer: ServiceTokenSigner) -> QualityClient:
    channel = open_channel(settings.quality_address)
    stack.push_async_callback(channel.close)
    return QualityClient(ServiceClient("quality", channel, signer))


def _open_drift(settings: RegistrySettings, stack: AsyncExitStack, signer: ServiceTokenSigner) -> DriftClient | None:
    """The drift service, where the platform has one."""
    if settings.drift_address is None:
        return None
    channel = open_channel(settings.drift_address)
    stack.push_async_callback(channel.close)
    return DriftClient(ServiceClient("drift", channel, signer))


def _signer(settings: RegistrySettings) -> ServiceTokenSigner:
    try:
        return ServiceTokenSigner(settings.service_key_file, "registry")
    except JwksError as error:
        raise CannotStart(str(error)) from error


def _open_sealer(settings: RegistrySettings) -> RowSealer:
    try:
        return RowSealer(Sealer(KeyRing.from_file(settings.kek_file)))
    except SealingError as error:
        raise CannotStart(str(error)) from error


def _open_warehouses(stack: AsyncExitStack) -> Warehouses:
    warehouses = Warehouses()
    stack.callback(warehouses.close)
    return warehouses


def _build(settings: RegistrySettings, stack: AsyncExitStack, database: Database, store: PostgresStore, key_uses: KeyUses) -> UseCases:
    signer = _signer(settings)
    quality, drift = _open_quality(settings, stack, signer), _open_drift(settings, stack, signer)
    sealer = _open_sealer(settings)
    egress = TenantEgress(EgressPolicy(settings.egress_allow_loopback, settings.egress_allow_private))
    trail = AuditTrail(new_id, now)
    return UseCases(
        create_tenant=CreateTenant(store, sealer, trail, new_id, now),
        get_tenant=GetTenant(store),
        list_tenants=ListTenants(store),
        update_tenant=UpdateTenant(store, trail, now),
        delete_tenant=DeleteTenant(store, trail),
        create_connection=CreateConnection(store, egress, sealer, trail, new_id, now),
        get_connection=GetConnection(store),
        list_connections=ListConnections(store),
        update_connection=UpdateConnection(store, egress, sealer, trail, now),
        delete_connection=DeleteConnection(store, trail),
        test_connection=TestConnection(store, egress, sealer, _open_warehouses(stack)),
        create_dataset=CreateDataset(store, quality, sealer, trail, new_id, now, drift),
        get_dataset=GetDataset(store),
        list_datasets=ListDatasets(store),
        update_dataset=UpdateDataset(store, quality, trail, now, drift),
        delete_dataset=DeleteDataset(store, quality, trail),
        create_api_key=CreateApiKey(store, trail, new_id, now),
        list_api_keys=ListApiKeys(store),
        revoke_api_key=RevokeApiKey(store, trail, now),
        authenticate_api_key=AuthenticateApiKey(store, key_uses, now),
        list_audit_events=ListAuditEvents(store),
        record_audit_events=RecordAuditEvents(store),
        get_health=GetHealth({"registry": database.ping, "quality": quality.check_health}),
        resolve_connection=ResolveConnection(store, egress, sealer),
        resolve_dataset=ResolveDataset(store, egress, sealer),
    )


if __name__ == "__main__":
    sys.exit(run_service("registry", RegistrySettings, migrate=migrate, serve=run))

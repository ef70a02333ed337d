"""RegistryService, composed of its resources."""

from __future__ import annotations

from chalkandduster.registry.v1 import registry_service_pb2_grpc
from services.registry.rpc.api_key_methods import ApiKeyMethods
from services.registry.rpc.audit_methods import AuditMethods
from services.registry.rpc.connection_methods import ConnectionMethods
from services.registry.rpc.dataset_methods import DatasetMethods
from services.registry.rpc.health_methods import HealthMethods
from services.registry.rpc.tenant_methods import TenantMethods

SERVICE_NAME = "chalkandduster.registry.v1.RegistryService"


class RegistryServicer(  # the stubs' base comes last: its methods answer UNIMPLEMENTED
    TenantMethods,
    ConnectionMethods,
    DatasetMethods,
    ApiKeyMethods,
    AuditMethods,
    HealthMethods,
    registry_service_pb2_grpc.RegistryServiceServicer,
):
    """All RPCs of the registry."""

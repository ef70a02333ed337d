"""Tenants between the domain and protobuf."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from chalkandduster.registry.v1 import tenant_pb2
from services.common.field_mask import apply_update
from services.registry.domain.revision import etag_of
from services.registry.domain.tenant import Quotas, Tenant, TenantState
from services.registry.rpc.codec.times import to_timestamp

_CHANGEABLE = ("display_name", "quotas", "state")


def encode_tenant(tenant: Tenant) -> tenant_pb2.Tenant:
    """The tenant as callers see it."""
    message = _encode_as_kept(tenant)
    message.display_name = tenant.title
    return message


def encode_quotas(quotas: Quotas) -> tenant_pb2.Quotas:
    """The quotas with the platform's defaults filled in."""
    effective = quotas.effective()
    return tenant_pb2.Quotas(
        max_concurrent_runs=effective.max_concurrent_runs,
        max_datasets=effective.max_datasets,
        max_checks_per_dataset=effective.max_checks_per_dataset,
    )


def decode_quotas(message: tenant_pb2.Quotas) -> Quotas:
    """The quotas as given; 0 stands for the default."""
    return Quotas(message.max_concurrent_runs, message.max_datasets, message.max_checks_per_dataset)


def decode_tenant_change(request: tenant_pb2.UpdateTenantRequest) -> Callable[[Tenant], Tenant]:
    """What the request makes of a tenant. The function raises InvalidUpdateMask."""

    def change(present: Tenant) -> Tenant:
        mask = request.update_mask if request.HasField("update_mask") else None
        merged = apply_update(_encode_as_kept(present), request.tenant, mask, _CHANGEABLE)
        state = TenantState(tenant_pb2.Tenant.State.Name(merged.state)) if merged.state else present.state
        return replace(present, display_name=merged.display_name, quotas=decode_quotas(merged.quotas), state=state)

    return change


def _encode_as_kept(tenant: Tenant) -> tenant_pb2.Tenant:
    quotas = tenant.quotas
    return tenant_pb2.Tenant(
        id=tenant.id,
        name=tenant.name,
        display_name=tenant.display_name,
        quotas=tenant_pb2.Quotas(
            max_concurrent_runs=quotas.max_concurrent_runs,
            max_datasets=quotas.max_datasets,
            max_checks_per_dataset=quotas.max_checks_per_dataset,
        ),
        state=tenant_pb2.Tenant.State.Value(tenant.state),
        create_time=to_timestamp(tenant.create_time),
        update_time=to_timestamp(tenant.update_time),
        etag=etag_of(tenant.revision),
    )

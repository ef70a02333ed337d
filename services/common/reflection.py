"""Reflection with all of the API's descriptors: behind the gateway it reaches one service, which answers for all."""

from __future__ import annotations

import importlib
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection

import chalkandduster


def enable_reflection(server: grpc.aio.Server) -> tuple[str, ...]:
    """Adds the reflection service, and answers the names of the services that it shows."""
    names = (*api_services(), health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    return names


def api_services() -> tuple[str, ...]:
    """Full names of all services of this API, sorted. Imports the generated modules of all of them."""
    names: list[str] = []
    for root in chalkandduster.__path__:
        for path in Path(root).glob("*/v*/*_service_pb2.py"):
            module = importlib.import_module(".".join(("chalkandduster", *path.relative_to(root).with_suffix("").parts)))
            names.extend(service.full_name for service in module.DESCRIPTOR.services_by_name.values())
    return tuple(sorted(names))

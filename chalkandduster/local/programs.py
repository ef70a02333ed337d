"""The services as programs: which there are, how each is called, and what it is told through its environment."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chalkandduster.local import children, roles, tokens
from chalkandduster.local.postgres import PostgresServer
from chalkandduster.local.state import State

HOST = "127.0.0.1"
# In the order of their start.
NAMES = ("registry", "quality", "drift", "assistant", "notifier")
_HEALTH_LIMIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Service:
    """A service of this repository."""

    name: str
    port: int
    metrics_port: int
    command: Sequence[str] = ()
    """Without the word `serve` or `migrate` at its end; empty: the service itself."""

    @property
    def keeps_data(self) -> bool:
        return self.name in roles.SERVICES_WITH_DATA

    def arguments(self, word: str) -> list[str]:
        if self.command:
            return [*self.command, word]
        if word == "migrate":  # alone, without the seconds that the imports of a whole service take
            return [sys.executable, "-m", "services.common.migrate", self.name]
        return [sys.executable, "-m", f"services.{self.name}.main", word]


def found_services() -> list[str]:
    """Names of the services that this installation holds, in the order of their start."""
    spec = importlib.util.find_spec("services")
    roots = [Path(path) for path in (spec.submodule_search_locations or [])] if spec else []
    return [name for name in NAMES if any((root / name / "main.py").is_file() for root in roots)]


def environment(service: Service, others: Sequence[Service], state: State, postgres: PostgresServer) -> dict[str, str]:
    """Settings of one service in the local suite, on top of our own environment."""
    settings: dict[str, str] = {
        "LISTEN": f"{HOST}:{service.port}",
        "METRICS_PORT": str(service.metrics_port),
        "JWT_ISSUER": tokens.ISSUER,
        "JWT_AUDIENCE": tokens.AUDIENCE,
        "JWT_JWKS_FILE": str(state.jwks_file),
        "SERVICE_JWKS_FILE": str(state.service_jwks_file),
        "SERVICE_KEY_FILE": str(state.service_key_file),
        "KEK_FILE": str(state.kek_file()),
        # Warehouse and mail server of the suite are on this machine.
        "EGRESS_ALLOW_LOOPBACK": "true",
        # The gateway stops before the services do: nobody is left to be told.
        "DRAIN_WAIT_SECONDS": "0",
        "SHUTDOWN_GRACE_SECONDS": "4",
    }
    for other in others:
        if other.name != service.name:
            settings[f"{other.name.upper()}_ADDRESS"] = f"{HOST}:{other.port}"
    if service.keeps_data:
        settings |= _database(service, state.passwords(), postgres)
    return children.environment(**{f"CHALKANDDUSTER_{name}": value for name, value in settings.items()})


def _database(service: Service, passwords: Mapping[str, str], postgres: PostgresServer) -> dict[str, str]:
    urls = {}
    for name, role in (("DATABASE_URL", f"{service.name}_app"), ("MIGRATION_DATABASE_URL", f"{service.name}_owner")):
        urls[name] = postgres.url(roles.DATABASE, role, passwords[role])
    return urls


def is_serving(port: int) -> bool:
    """Whether the gRPC server on the port says that it is healthy (grpc.health.v1)."""
    with grpc.insecure_channel(f"{HOST}:{port}") as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_LIMIT_S)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

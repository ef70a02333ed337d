"""Settings, read once from `CHALKANDDUSTER_*` variables; a wrong one stops the start with its name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NoReturn, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "CHALKANDDUSTER_"
BAD_SETTINGS_EXIT_CODE = 2


class ServiceSettings(BaseSettings):
    """What every service needs; a service adds its own in a subclass."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    listen: str = Field(default="127.0.0.1:0", pattern=r"^.+:\d{1,5}$")
    """`host:port` of the gRPC server; port 0 takes a free one, which the log line `Serving.` names."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of the Prometheus endpoint `/metrics`, on the host of `listen`. Absent: no metrics."""

    database_url: SecretStr
    """DSN of the run-time role, which owns nothing."""
    migration_database_url: SecretStr | None = None
    """DSN of the owner role, direct (no pooler: migrations hold a session lock). Only `migrate` needs it."""
    database_pool_size: int = Field(default=10, ge=1, le=200)
    """Most connections to Postgres."""
    database_statement_timeout_seconds: float = Field(default=30, gt=0, le=3600)

    jwt_issuer: str = Field(min_length=1)
    jwt_audience: str = Field(min_length=1)
    jwt_jwks_file: Path
    """Public keys that sign users' tokens, the same file that the gateway reads."""
    service_jwks_file: Path
    """Public keys that sign services' tokens; the gateway does not know them."""
    service_key_file: Path
    """This service's private key: PEM, or a JWK with its `kid`."""
    kek_file: Path | None = None
    """JSON `{"active": "k1", "keys": {"k1": "<base64 of 32 bytes>"}}`: keys that wrap the keys of sealed secrets."""

    egress_allow_loopback: bool = False
    """Whether tenants may name addresses of this machine: for the local suite only."""
    egress_allow_private: bool = False
    """Whether tenants may name private addresses: for a warehouse in the operator's own network."""

    drain_wait_seconds: float = Field(default=5, ge=0, le=300)
    """How long calls are still taken after health says NOT_SERVING: more than the gateway's health interval x threshold."""
    shutdown_grace_seconds: float = Field(default=20, ge=0, le=600)
    """How long running calls may take to end after that. The supervisor's own patience must exceed both together."""
    health_interval_seconds: float = Field(default=1, gt=0, le=60)
    """How often the things that the service needs are tried."""
    maximum_concurrent_calls: int = Field(default=1000, ge=1)
    """More answer RESOURCE_EXHAUSTED at once; twice what the gateway's circuit breaker lets through."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    otlp_endpoint: str | None = None
    """`host:port` or URL of an OpenTelemetry collector (gRPC). Absent: no traces leave the process."""


S = TypeVar("S", bound=ServiceSettings)


def load_settings(settings_class: type[S]) -> S:
    """The settings from the environment. Ends the process with exit code 2 and one sentence when they are not valid."""
    read: Callable[[], S] = settings_class  # mypy would have the variables as arguments
    try:
        return read()
    except ValidationError as error:
        _refuse(error)


def _refuse(error: ValidationError) -> NoReturn:
    problems = "; ".join(
        f"{PREFIX}{str(problem['loc'][0]).upper() if problem['loc'] else '*'} {_expectation(str(problem['type']), str(problem['msg']))}"
        for problem in error.errors(include_input=False, include_url=False, include_context=False)
    )
    sys.stderr.write(f"The settings are not valid: {problems}.\n")
    raise SystemExit(BAD_SETTINGS_EXIT_CODE)


def _expectation(kind: str, message: str) -> str:
    return "is missing" if kind == "missing" else message.removeprefix("Value error, ").removeprefix("Input ").rstrip(".")

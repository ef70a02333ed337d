"""What runs with a state directory, as another process sees it."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from chalkandduster.local.roles import SUPERUSER
from chalkandduster.local.state import State


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One child of the suite."""

    state: str
    """READY, STARTING, RESTARTING after a death, or STOPPED."""
    pid: int | None
    address: str | None
    """`host:port` of its gRPC server; None for what is no service."""
    metrics_url: str | None
    restarts: int
    """Deaths in a row."""
    log: str


@dataclass(frozen=True, slots=True)
class SuiteStatus:
    """The suite of a state directory; addresses are None when nothing runs."""

    running: bool
    phase: str
    """STARTING, RUNNING, STOPPING or STOPPED."""
    directory: str
    pid: int | None = None
    gateway: dict[str, Any] | None = None
    """`url`, `docs_url`, `openapi_url`."""
    postgres: dict[str, Any] | None = None
    """`url` with the superuser's password, `host`, `port`, `database`, `user`."""
    warehouse: dict[str, Any] | None = None
    """`host`, `port`, `protocol`, `account`, `database`, `schema`, `user`, `password`: the fields of a snowflake connection."""
    services: dict[str, ServiceStatus] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def read(directory: Path) -> SuiteStatus:
    """What runs with that state directory; a suite that was killed reads as stopped."""
    state = State(directory)
    run = state.read_run()
    if run is None:
        return SuiteStatus(running=False, phase="STOPPED", directory=str(state.directory))
    alive = process_of(run) is not None and run["phase"] != "STOPPED"
    services = {entry["name"]: _service(entry, alive=alive) for entry in run["services"]}
    if not alive:
        return SuiteStatus(running=False, phase="STOPPED", directory=str(state.directory), services=services)
    gateway = run["gateway"]["url"]
    return SuiteStatus(
        running=run["phase"] == "RUNNING",
        phase=run["phase"],
        directory=str(state.directory),
        pid=run["pid"],
        gateway={"url": gateway, "docs_url": f"{gateway}/docs", "openapi_url": f"{gateway}/openapi.json"},
        postgres=_postgres(state, run["postgres"]),
        warehouse=run["warehouse"],
        services=services,
    )


def already_runs(directory: Path, run: dict[str, Any] | None) -> str:
    """The sentence that refuses a second suite on the same state."""
    return (
        f"a suite with the state {directory} already runs (process {(run or {}).get('pid', 'unknown')}): "
        "stop it with chalkandduster down, or choose another state directory with --state"
    )


def process_of(run: dict[str, Any]) -> psutil.Process | None:
    """The supervisor that wrote `run`, if it still lives; another process with its old number does not count."""
    with contextlib.suppress(psutil.NoSuchProcess, KeyError):
        process = psutil.Process(run["pid"])
        if abs(process.create_time() - run["started"]) < 1.0 and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def _postgres(state: State, written: dict[str, Any]) -> dict[str, Any]:
    password = state.passwords()[SUPERUSER]
    url = f"postgresql://{SUPERUSER}:{password}@{written['host']}:{written['port']}/{written['database']}"
    return {"url": url, **written, "user": SUPERUSER}


def _service(entry: dict[str, Any], *, alive: bool) -> ServiceStatus:
    return ServiceStatus(
        state=entry["state"] if alive else "STOPPED",
        pid=entry["pid"] if alive else None,
        address=entry["address"],
        metrics_url=entry["metrics_url"],
        restarts=entry["deaths"],
        log=entry["log"],
    )

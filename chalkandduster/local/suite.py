"""The suite: Postgres, warehouse emulator, services and gateway of one state directory, from start to stop."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FrameType

import asyncpg
import psutil

from chalkandduster.local import bootstrap, children, envoy, ports, programs, report, roles
from chalkandduster.local.emulator.process import DATABASE, SCHEMA, EmulatorProcess
from chalkandduster.local.emulator.users import ANYONE
from chalkandduster.local.postgres import STOP_LIMIT_S, STOP_SIGNAL, PostgresError, PostgresServer
from chalkandduster.local.programs import HOST, Service
from chalkandduster.local.state import State
from chalkandduster.local.supervisor import Child, ChildSpec, Say, StopRequested, SuiteError, Supervisor

WAREHOUSE_USER = "CHALKANDDUSTER"
_MIGRATE_LIMIT_S = 120.0
# A port of our last run may be held for a moment by a child that is still ending.
_PORT_LIMIT_S = 8.0
_WATCH_S = 0.25
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the fixed parts listen; kept between starts."""

    postgres: int
    warehouse: int
    gateway: int
    gateway_admin: int


class Suite:
    """Use as a context manager: entering starts all of it, leaving stops all of it.

    `gateway_port` 0 takes a free one. `services` is for tests; by default those that the installation holds.
    """

    def __init__(self, state: State, gateway_port: int, say: Say, services: Sequence[Service] | None = None) -> None:
        self.state = state
        self.say = say
        self._gateway_port = gateway_port
        self._given = services
        self._stack = contextlib.ExitStack()
        self.supervisor = Supervisor(say, changed=self._publish)
        self._phase = "STARTING"
        self._locked = False
        self.services: list[Service] = []
        self.ports = Ports(0, 0, 0, 0)

    @property
    def gateway_url(self) -> str:
        return f"http://{HOST}:{self.ports.gateway}"

    def __enter__(self) -> Suite:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def watch(self) -> None:
        """Look after the children until SIGINT or SIGTERM, which end this with StopRequested."""
        while True:
            self.supervisor.watch_once()
            time.sleep(_WATCH_S)

    # --- Start, in the order of what needs what

    def _start(self) -> None:
        self._stack.enter_context(_signals_raise())
        try:
            self.state.prepare()
        except OSError as error:
            raise SuiteError(f"the state directory {self.state.directory} cannot be used: {error.strerror}") from error
        self._stack.enter_context(_only_one(self.state))
        self._locked = True
        children.adopt_orphans()
        self.services = list(self._given) if self._given is not None else _new_services()
        if not self.services:
            raise SuiteError("this installation holds no services: run from the repository, or install it with pip install -e .")
        self.ports = self._choose_ports()
        self._publish()
        self.postgres = PostgresServer(self.state.postgres, port=self.ports.postgres, password=self.state.passwords()["postgres"])
        self.warehouse = self._new_warehouse()
        # The emulator takes longest to start, and nothing before the first run needs it.
        warehouse = self.supervisor.launch([self._warehouse_child()])
        self._start_postgres()
        self._migrate()
        self.supervisor.start([self._service_child(service) for service in self.services])
        self.supervisor.wait(warehouse)
        self.supervisor.start([envoy.child(self.state, self.services, self.ports.gateway, self.ports.gateway_admin)])
        self._phase = "RUNNING"
        self._publish()

    def _choose_ports(self) -> Ports:
        kept = self.state.ports()
        gateway = self._gateway_port or ports.find_free()
        if not _becomes_free(gateway, wait=self._gateway_port == kept.get("gateway")):
            raise SuiteError(f"port {gateway} of the gateway is taken{_holder(gateway)}: free it, or choose another with --gateway-port")
        warehouse = kept.get("warehouse") or ports.find_free()
        if not _becomes_free(warehouse, wait=True):
            raise SuiteError(
                f"port {warehouse} of the warehouse emulator, to which registered connections point, is taken{_holder(warehouse)}: "
                "free it, or start anew with another --state"
            )
        postgres = kept.get("postgres") or ports.find_free()
        if not _becomes_free(postgres, wait=True):
            postgres = ports.find_free()  # nobody but the services, which are told
        self.state.keep_ports({"postgres": postgres, "warehouse": warehouse, "gateway": gateway})
        return Ports(postgres, warehouse, gateway, ports.find_free())

    def _start_postgres(self) -> None:
        try:
            self.postgres.prepare()
            spec = ChildSpec(
                "postgres",
                self.postgres.launch,
                self.postgres.log,
                self.postgres.is_ready,
                stop_signal=STOP_SIGNAL,
                stop_grace_s=STOP_LIMIT_S,
            )
            self.supervisor.start([spec])
            bootstrap.bootstrap(self.postgres, self.state.passwords())
        except PostgresError as error:
            raise SuiteError(str(error)) from error
        except (asyncpg.PostgresError, OSError) as error:
            raise SuiteError(f"the database could not be prepared: {error}") from error

    def _migrate(self) -> None:
        began = time.monotonic()
        running = [(service, self._migration(service)) for service in self.services if service.keeps_data]
        for service, process in running:
            log = self.state.logs / f"{service.name}-migrate.log"
            try:
                code = process.wait(_MIGRATE_LIMIT_S)
            except subprocess.TimeoutExpired as error:
                raise SuiteError(f"the migrations of {service.name} took more than {_MIGRATE_LIMIT_S:.0f} s; see {log}") from error
            if code != 0:
                raise SuiteError(f"the migrations of {service.name} failed; the end of {log}:\n{children.tail(log)}")
        self.say(f"migrations done ({time.monotonic() - began:.1f} s)")

    def _migration(self, service: Service) -> subprocess.Popen[bytes]:
        log = self.state.logs / f"{service.name}-migrate.log"
        log.unlink(missing_ok=True)
        return children.spawn(service.arguments("migrate"), log, env=self._environment(service))

    def _new_warehouse(self) -> EmulatorProcess:
        # Anyone may log in with any password, but this one user only with the right one: so a wrong password can be tried out.
        users = {WAREHOUSE_USER: {"password": self.state.warehouse_password()}, ANYONE: {}}
        return EmulatorProcess(
            self.state.warehouse,
            port=self.ports.warehouse,
            users=users,
            log=self.state.logs / "warehouse.log",
            admin_token=self.state.warehouse_admin_token(),
        )

    def _warehouse_child(self) -> ChildSpec:
        return ChildSpec("warehouse", self.warehouse.launch, self.warehouse.log, self.warehouse.is_ready)

    def _service_child(self, service: Service) -> ChildSpec:
        log = self.state.logs / f"{service.name}.log"
        environment = self._environment(service)

        def launch() -> subprocess.Popen[bytes]:
            return children.spawn(service.arguments("serve"), log, env=environment)

        return ChildSpec(service.name, launch, log, lambda: programs.is_serving(service.port))

    def _environment(self, service: Service) -> dict[str, str]:
        return programs.environment(service, self.services, self.state, self.postgres)

    # --- Stop

    def _stop(self) -> None:
        """Stop all, however far the start came; a second Ctrl-C does not cut it short, for it is bounded in time anyway."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if self.supervisor.tiers:
            self._phase = "STOPPING"
            self._publish()
        self.supervisor.stop()
        if self._locked:
            self._phase = "STOPPED"
            self._publish()
        self._stack.close()

    # --- What others may know

    def _publish(self) -> None:
        """Write down what runs, for `status` and `down`."""
        self.state.write_run(
            {
                "phase": self._phase,
                "pid": os.getpid(),
                "started": psutil.Process().create_time(),
                "gateway": {"url": self.gateway_url},
                "postgres": {"host": HOST, "port": self.ports.postgres, "database": roles.DATABASE},
                "warehouse": {
                    "host": HOST,
                    "port": self.ports.warehouse,
                    "protocol": "http",
                    "account": "emulator",
                    "database": DATABASE,
                    "schema": SCHEMA,
                    "user": WAREHOUSE_USER,
                    "password": self.state.warehouse_password(),
                },
                "services": [self._described(child) for child in self.supervisor.children],
            }
        )

    def _described(self, child: Child) -> dict[str, object]:
        service = next((service for service in self.services if service.name == child.spec.name), None)
        return {
            "name": child.spec.name,
            "state": child.state,
            "pid": child.pid,
            "deaths": child.deaths,
            "log": str(child.spec.log),
            "address": service and f"{HOST}:{service.port}",
            "metrics_url": service and f"http://{HOST}:{service.metrics_port}/metrics",
        }


def _new_services() -> list[Service]:
    return [Service(name, ports.find_free(), ports.find_free()) for name in programs.found_services()]


@contextlib.contextmanager
def _only_one(state: State) -> Iterator[None]:
    """Hold the state directory. Raises SuiteError if another process does."""
    with state.lock_file.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SuiteError(report.already_runs(state.directory, state.read_run())) from error
        yield


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """SIGINT, SIGTERM and a closed terminal raise StopRequested in the main thread; what they did before comes back at the end."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise StopRequested(signal.Signals(signum).name)

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _becomes_free(port: int, *, wait: bool) -> bool:
    end = time.monotonic() + (_PORT_LIMIT_S if wait else 0.0)
    while not ports.is_free(port):
        if time.monotonic() >= end:
            return False
        time.sleep(0.1)
    return True


def _holder(port: int) -> str:
    """Who listens on the port, as far as we may know: ` by python3 (process 12)`."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""

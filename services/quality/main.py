"""The quality service: `python -m services.quality.main migrate | serve`."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from chalkandduster.quality.v1 import quality_service_pb2
from chalkandduster.quality.v1.quality_service_pb2_grpc import add_QualityServiceServicer_to_server
from services.common.audit import BufferedAuditSink
from services.common.auth.api_keys import CachedApiKeys
from services.common.auth.jwks import JwksError
from services.common.auth.tokens import ServiceTokenSigner
from services.common.cli import migrate_with, run_service
from services.common.client import ServiceClient, open_channel
from services.common.clock import now
from services.common.egress import EgressPolicy
from services.common.ids import new_id
from services.common.postgres import Database, create_pool
from services.common.registry_calls import RegistryApiKeys, RegistryAuditTrail
from services.common.server import Background, serve
from services.common.startup import CannotStart
from services.common.telemetry import meter
from services.quality.app.attempt_run import AttemptRun, ScanLimits
from services.quality.app.bounded import Bounded
from services.quality.app.cancel_run import CancelRun
from services.quality.app.delete_schedule import DeleteSchedule
from services.quality.app.execute_run import ExecuteRun, LeaseTiming
from services.quality.app.expire_leases import ExpireLeases
from services.quality.app.fire_schedules import FireSchedules
from services.quality.app.get_dataset_usage import GetDatasetUsage
from services.quality.app.get_run import GetRun
from services.quality.app.get_schedule import GetSchedule
from services.quality.app.list_failed_rows import ListFailedRows
from services.quality.app.list_runs import ListRuns
from services.quality.app.observe_queue import ObserveQueue
from services.quality.app.other_sources import OtherSources
from services.quality.app.periodically import periodically
from services.quality.app.ports import DriftEvaluator, MessageKind, ScanEngine
from services.quality.app.preview_checks import PreviewChecks
from services.quality.app.prune_history import PruneHistory
from services.quality.app.relay_outbox import NoReceiver, RelayOutbox
from services.quality.app.set_schedule import SetSchedule
from services.quality.app.trigger_dataset import TriggerDataset
from services.quality.app.validate_checks import ValidateChecks
from services.quality.app.watch_run import WatchRun
from services.quality.app.work import Work
from services.quality.clients.drift import DriftClient
from services.quality.clients.egress import ConnectionEgress
from services.quality.clients.registry import AuditRelay, RegistryClient
from services.quality.domain.kinds import KindChoice
from services.quality.domain.retry import RetryPolicy
from services.quality.metrics import RunMetrics
from services.quality.rpc.errors import CATALOG
from services.quality.rpc.servicer import QualityServicer, UseCases
from services.quality.settings import QualitySettings
from services.quality.soda.engine import EngineLimits, SodaEngine
from services.quality.soda.worker_pool import PoolLimits
from services.quality.soda.zygote_client import ZygoteFailed
from services.quality.storage.history import PostgresHistory
from services.quality.storage.listener import PostgresRunEvents
from services.quality.storage.outbox import PostgresOutbox
from services.quality.storage.queue import PostgresWorkQueue
from services.quality.storage.runs import PostgresRunStore
from services.quality.storage.schedules import PostgresScheduleStore

SERVICE = quality_service_pb2.DESCRIPTOR.services_by_name["QualityService"].full_name
MIGRATIONS = Path(__file__).parent / "storage" / "migrations"
_EXPIRE_EVERY_SECONDS = 1.0
_RELAY_EVERY_SECONDS = 1.0
_OBSERVE_EVERY_SECONDS = 5.0
_PRUNE_EVERY_SECONDS = 600.0


class Parts:
    """What the service is made of, put together from its settings. `engine` runs scans; the caller starts and closes it."""

    def __init__(
        self,
        settings: QualitySettings,
        database: Database,
        registry: ServiceClient,
        engine: ScanEngine,
        drift: DriftEvaluator | None = None,
    ) -> None:
        self.settings = settings
        self.drift = drift
        self.kinds = KindChoice(drift_available=drift is not None)
        self.draining = asyncio.Event()
        self.database = database
        self.runs = PostgresRunStore(database)
        self.schedules = PostgresScheduleStore(database, settings.default_concurrent_runs)
        self.history = PostgresHistory(database)
        self.outbox = PostgresOutbox(database)
        self.events = PostgresRunEvents((settings.listen_database_url or settings.database_url).get_secret_value())
        self.retry = RetryPolicy(settings.retry_delays_seconds, settings.outage_patience_seconds)
        worker = f"{socket.gethostname()}:{os.getpid()}"
        self.queue = PostgresWorkQueue(database, worker, settings.lease_seconds, self.retry.max_failures)
        self.client = registry
        self.registry = RegistryClient(registry)
        self.trail = RegistryAuditTrail(registry)
        self.audit = BufferedAuditSink(self.trail.send)
        self.engine = engine
        self.egress = ConnectionEgress(EgressPolicy(settings.egress_allow_loopback, settings.egress_allow_private))
        self.sources = OtherSources(self.registry, engine, self.egress)

    def use_cases(self) -> UseCases:
        """What callers can ask for."""
        previews = self.settings.previews_at_once
        validations = self.settings.validations_at_once
        return UseCases(
            trigger_dataset=TriggerDataset(self.runs, self.registry, self.kinds, new_id),
            get_run=GetRun(self.runs),
            list_runs=ListRuns(self.runs),
            cancel_run=CancelRun(self.runs),
            watch_run=WatchRun(self.runs, self.events, self.draining),
            list_failed_rows=ListFailedRows(self.runs),
            get_schedule=GetSchedule(self.schedules),
            set_schedule=SetSchedule(self.schedules, self.registry, self.kinds, now),
            delete_schedule=DeleteSchedule(self.schedules),
            validate_checks=ValidateChecks(self.engine, Bounded("validations", validations, per_tenant=4 * validations)),
            preview_checks=PreviewChecks(
                self.registry,
                self.engine,
                self.egress,
                self.sources,
                Bounded("previews", previews, per_tenant=max(previews // 2, 1)),
                self.settings.preview_seconds,
                now,
                new_id,
            ),
            get_dataset_usage=GetDatasetUsage(self.runs, self.schedules),
        )

    def work(self, metrics: RunMetrics) -> Work:
        """The worker places of this process."""
        limits = ScanLimits(self.settings.scan_deadline_seconds, self.settings.statement_timeout_seconds)
        attempt = AttemptRun(self.engine, self.drift, self.history, self.egress, self.sources, self.kinds, limits)
        timing = LeaseTiming(self.settings.lease_seconds / 4, self.settings.record_patience_seconds)
        execute = ExecuteRun(self.queue, self.registry, self.schedules, self.events, attempt, self.retry, timing, metrics, now)
        grace = self.settings.shutdown_grace_seconds
        return Work(self.queue, self.events, execute, self.settings.workers, grace, self.draining)

    def background(self) -> Sequence[Background]:
        """All that runs beside the calls."""
        metrics = RunMetrics(meter("services.quality"))
        settings = self.settings
        fire = FireSchedules(self.schedules, self.kinds, now, new_id)
        relays = RelayOutbox(self.outbox, {MessageKind.AUDIT: AuditRelay(self.trail), MessageKind.RUN_FINISHED: NoReceiver()})
        prune = PruneHistory(self.queue, now, settings.measurement_retention_days, settings.run_retention_days)
        return [
            self.events.run,
            self.audit.run,
            *([self.work(metrics).run] if settings.workers else []),
            *([partial(periodically, "fire schedules", settings.schedule_poll_seconds, fire.execute)] if settings.scheduler else []),
            partial(periodically, "expire leases", _EXPIRE_EVERY_SECONDS, ExpireLeases(self.queue).execute),
            partial(periodically, "relay outbox", _RELAY_EVERY_SECONDS, relays.execute),
            partial(periodically, "observe queue", _OBSERVE_EVERY_SECONDS, ObserveQueue(self.queue, metrics).execute),
            partial(periodically, "prune history", _PRUNE_EVERY_SECONDS, prune.execute),
        ]


async def open_database(settings: QualitySettings, stack: AsyncExitStack) -> Database:
    """Open the pool; it is closed with the stack."""
    pool = await create_pool(
        settings.database_url.get_secret_value(),
        application_name="quality",
        max_size=settings.database_pool_size,
        statement_timeout_seconds=settings.database_statement_timeout_seconds,
    )
    database = Database(pool)
    stack.push_async_callback(database.close)
    return database


async def open_engine(settings: QualitySettings, stack: AsyncExitStack) -> SodaEngine:
    """Start the engine; it is closed with the stack."""
    # Twice what can be busy: a worker stays bound to its connection, and one that waits warm saves a login.
    pool = PoolLimits(workers=max(8, 2 * (settings.workers + settings.previews_at_once)))
    engine = SodaEngine(EngineLimits(pool=pool))
    stack.push_async_callback(engine.close)
    try:
        await engine.start()
    except ZygoteFailed as error:
        raise CannotStart(f"the process that scans are forked from does not start: {error}") from error
    return engine


async def serve_with(settings: QualitySettings, stack: AsyncExitStack, engine: ScanEngine) -> None:
    """Serve with this engine until told to stop."""
    database = await open_database(settings, stack)
    channel = open_channel(settings.registry_address)
    stack.push_async_callback(channel.close)
    signer = _signer(settings)
    parts = Parts(settings, database, ServiceClient("registry", channel, signer), engine, _open_drift(settings, stack, signer))
    await serve(
        settings=settings,
        service_name="quality",
        servicers={SERVICE: partial(add_QualityServiceServicer_to_server, QualityServicer(parts.use_cases()))},
        catalog=CATALOG,
        api_keys=CachedApiKeys(RegistryApiKeys(parts.client)),
        audit=parts.audit,
        health_checks={"database": database.ping},
        background=parts.background(),
        draining=parts.draining,
    )


def _open_drift(settings: QualitySettings, stack: AsyncExitStack, signer: ServiceTokenSigner) -> DriftClient | None:
    """The drift service, where the platform has one."""
    if settings.drift_address is None:
        return None
    channel = open_channel(settings.drift_address)
    stack.push_async_callback(channel.close)
    return DriftClient(ServiceClient("drift", channel, signer), settings.scan_deadline_seconds)


def _signer(settings: QualitySettings) -> ServiceTokenSigner:
    try:
        return ServiceTokenSigner(settings.service_key_file, "quality")
    except JwksError as error:
        raise CannotStart(str(error)) from error


async def serve_quality(settings: QualitySettings, stack: AsyncExitStack) -> None:
    """Serve until told to stop."""
    await serve_with(settings, stack, await open_engine(settings, stack))


if __name__ == "__main__":
    sys.exit(
        run_service("quality", QualitySettings, migrate=partial(migrate_with, directory=MIGRATIONS, schema="quality"), serve=serve_quality)
    )

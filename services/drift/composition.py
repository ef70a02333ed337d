"""The drift service: `python -m services.drift.main migrate | serve`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from pathlib import Path

from chalkandduster.drift.v1 import drift_service_pb2
from chalkandduster.drift.v1.drift_service_pb2_grpc import add_DriftServiceServicer_to_server
from services.common.audit import BufferedAuditSink
from services.common.auth.api_keys import CachedApiKeys
from services.common.auth.jwks import JwksError
from services.common.auth.tokens import ServiceTokenSigner
from services.common.client import ServiceClient, open_channel
from services.common.clock import now
from services.common.egress import EgressPolicy
from services.common.ids import new_id
from services.common.postgres import Database, create_pool
from services.common.registry_calls import RegistryApiKeys, RegistryAuditTrail
from services.common.server import Background, serve
from services.common.startup import CannotStart
from services.drift.app.accept_baseline import AcceptBaseline
from services.drift.app.answer_checks import AnswerChecks
from services.drift.app.await_history import AwaitHistory
from services.drift.app.cancel_backfill import CancelBackfill
from services.drift.app.change_baseline import ChangeBaseline
from services.drift.app.diff_baselines import DiffBaselines
from services.drift.app.evaluate_dataset import EvaluateDataset
from services.drift.app.get_backfill import GetBackfill
from services.drift.app.get_baseline import GetBaseline
from services.drift.app.get_drift import GetDrift
from services.drift.app.get_profile import GetProfile
from services.drift.app.judge_drift import JudgeDrift
from services.drift.app.judge_profiles import JudgeProfiles
from services.drift.app.list_baselines import ListBaselines
from services.drift.app.list_drifts import ListDrifts
from services.drift.app.list_profiles import ListProfiles
from services.drift.app.look_at_table import LookAtTable
from services.drift.app.periodically import periodically
from services.drift.app.ports import Engine
from services.drift.app.prune_history import PruneHistory
from services.drift.app.rebuild_history import RebuildHistory
from services.drift.app.relay_audit_events import RelayAuditEvents
from services.drift.app.rollback_baseline import RollbackBaseline
from services.drift.app.run_backfill import RunBackfill
from services.drift.app.start_backfill import StartBackfill
from services.drift.app.validate_settings import ValidateSettings
from services.drift.app.work_backfills import WorkBackfills
from services.drift.clients.egress import ConnectionEgress
from services.drift.clients.registry import RegistryClient
from services.drift.engine.history_judge import EngineHistoryJudge
from services.drift.rpc.errors import CATALOG
from services.drift.rpc.servicer import DriftServicer, UseCases
from services.drift.settings import DriftSettings
from services.drift.storage.backfills import PostgresBackfillQueue, PostgresBackfillStore
from services.drift.storage.baselines import PostgresBaselineStore
from services.drift.storage.findings import PostgresFindingStore
from services.drift.storage.housekeeping import PostgresHousekeeping, PostgresOutbox
from services.drift.storage.profiles import PostgresProfileStore
from services.drift.storage.watches import PostgresWatchStore
from services.drift.warehouses.opened import OpenWarehouses

SERVICE = drift_service_pb2.DESCRIPTOR.services_by_name["DriftService"].full_name
SCHEMA = "drift"
MIGRATIONS = Path(__file__).parent / "storage" / "migrations"
_RELAY_EVERY_SECONDS = 1.0
_PRUNE_EVERY_SECONDS = 600.0


class Parts:
    """What the service is made of, put together from its settings."""

    def __init__(
        self,
        settings: DriftSettings,
        database: Database,
        registry: ServiceClient,
        warehouses: OpenWarehouses,
        engine: Engine,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self.settings = settings
        self.now = clock
        self.engine = engine
        self.registry = RegistryClient(registry)
        self.trail = RegistryAuditTrail(registry)
        self.audit = BufferedAuditSink(self.trail.send)
        self.watches = PostgresWatchStore(database)
        self.findings = PostgresFindingStore(database)
        self.profiles = PostgresProfileStore(database)
        self.baselines = PostgresBaselineStore(database)
        self.backfills = PostgresBackfillStore(database)
        self.queue = PostgresBackfillQueue(database, settings.backfill_lease_seconds)
        self.outbox = PostgresOutbox(database)
        self.housekeeping = PostgresHousekeeping(database)
        egress = ConnectionEgress(EgressPolicy(settings.egress_allow_loopback, settings.egress_allow_private))
        self.look = LookAtTable(egress, warehouses, self.watches, settings.drift_statement_seconds)
        self.judge = JudgeProfiles(self.engine, new_id, self.now)
        self.rebuild = RebuildHistory(engine, self.judge, self.watches, self.profiles, self.findings, self.baselines, self.now)

    def use_cases(self) -> UseCases:
        """What callers can ask for."""
        history = AwaitHistory(self.watches, self.backfills, self.settings.backfill_patience_seconds, self.now, new_id)
        change = ChangeBaseline(self.watches, self.profiles, self.registry, self.now)
        get_baseline = GetBaseline(self.baselines, self.watches, self.profiles)
        return UseCases(
            evaluate_dataset=EvaluateDataset(
                self.registry, self.look, history, self.judge, self.rebuild, self.watches, self.profiles, self.baselines, self.now, new_id
            ),
            answer_checks=AnswerChecks(self.registry, self.watches, self.profiles, EngineHistoryJudge()),
            list_drifts=ListDrifts(self.findings, self.registry),
            get_drift=GetDrift(self.findings),
            judge_drift=JudgeDrift(self.findings, self.watches, self.registry, self.engine, self.now),
            list_profiles=ListProfiles(self.profiles, self.registry),
            get_profile=GetProfile(self.profiles),
            get_baseline=get_baseline,
            accept_baseline=AcceptBaseline(change, self.profiles, self.registry, self.engine, self.now),
            rollback_baseline=RollbackBaseline(change, self.baselines),
            list_baselines=ListBaselines(self.baselines, self.registry),
            diff_baselines=DiffBaselines(get_baseline),
            start_backfill=StartBackfill(self.backfills, self.registry, self.now, new_id),
            get_backfill=GetBackfill(self.backfills),
            cancel_backfill=CancelBackfill(self.backfills),
            validate_settings=ValidateSettings(),
        )

    def background(self) -> Sequence[Background]:
        """All that runs beside the calls."""
        settings = self.settings
        run = RunBackfill(self.registry, self.look, self.judge, self.rebuild, self.watches, self.profiles, self.queue, self.now, new_id)
        work = WorkBackfills(self.queue, run, settings.backfill_lease_seconds)
        prune = PruneHistory(self.housekeeping, self.now, settings.profile_retention_days, settings.finding_retention_days)
        relay = RelayAuditEvents(self.outbox, self.trail)
        return [
            self.audit.run,
            *[work.work for _ in range(settings.backfill_workers)],
            partial(periodically, "relay audit events", _RELAY_EVERY_SECONDS, relay.execute),
            partial(periodically, "prune history", _PRUNE_EVERY_SECONDS, prune.execute),
        ]


async def open_database(settings: DriftSettings, stack: AsyncExitStack) -> Database:
    """Open the pool; it is closed with the stack."""
    pool = await create_pool(
        settings.database_url.get_secret_value(),
        application_name="drift",
        search_path=SCHEMA,
        max_size=settings.database_pool_size,
        statement_timeout_seconds=settings.database_statement_timeout_seconds,
    )
    database = Database(pool)
    stack.push_async_callback(database.close)
    return database


async def serve_with(settings: DriftSettings, stack: AsyncExitStack, engine: Engine) -> None:
    """Serve with this engine until told to stop."""
    database = await open_database(settings, stack)
    channel = open_channel(settings.registry_address)
    stack.push_async_callback(channel.close)
    try:
        client = ServiceClient("registry", channel, ServiceTokenSigner(settings.service_key_file, "drift"))
    except JwksError as error:
        raise CannotStart(str(error)) from error
    warehouses = OpenWarehouses(settings.warehouse_sessions)
    stack.callback(warehouses.close)
    parts = Parts(settings, database, client, warehouses, engine)
    servicer = DriftServicer(parts.use_cases(), settings.evaluation_seconds)
    await serve(
        settings=settings,
        service_name="drift",
        servicers={SERVICE: partial(add_DriftServiceServicer_to_server, servicer)},
        catalog=CATALOG,
        api_keys=CachedApiKeys(RegistryApiKeys(client)),
        audit=parts.audit,
        health_checks={"database": database.ping},
        background=parts.background(),
    )

"""The storage of quality in memory. It passes the same contract suite as Postgres, so unit tests can trust it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from services.common.audit import AuditEvent
from services.common.ids import new_id
from services.quality.app.ports import (
    CheckSamples,
    ExpiredLease,
    FireReport,
    LeaseStatus,
    Message,
    MessageKind,
    QueueDepth,
    RunNews,
)
from services.quality.domain.errors import LeaseLost, RunEnded, RunNotFound
from services.quality.domain.history import HistoryReader
from services.quality.domain.run import (
    ClaimedRun,
    NewRun,
    Run,
    RunError,
    RunFilter,
    RunKey,
    RunResult,
    RunState,
    RunTrigger,
    RunVerdict,
    count_verdicts,
)
from services.quality.domain.scan import (
    FailedRows,
    HistoryQuery,
    Measurement,
)
from services.quality.domain.schedule import DueSchedule, FiredSchedule, Schedule


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class _Kept:
    """A run with what callers do not see of it."""

    run: Run
    new: NewRun
    due: datetime
    failures: int = 0
    token: str = ""
    lease_expires: datetime | None = None
    dedupe_key: str = ""


@dataclass
class FakeStore:
    """RunStore, WorkQueue, QueueStats, ScheduleStore, HistoryStore, Outbox and RunEvents in memory."""

    lease_seconds: float = 20.0
    max_failures: int = 4
    default_cap: int = 4
    now: Callable[[], datetime] = utc_now
    kept: dict[str, _Kept] = field(default_factory=dict)
    caps: dict[str, int] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    schedules: dict[tuple[str, str], Schedule] = field(default_factory=dict)
    messages: list[tuple[MessageKind, Message]] = field(default_factory=list)
    history: list[tuple[str, str, Measurement]] = field(default_factory=list)
    watchers: defaultdict[str, set[asyncio.Queue[RunNews]]] = field(default_factory=lambda: defaultdict(set))
    work: asyncio.Event = field(default_factory=asyncio.Event)

    # Runs, as callers see them.

    async def enqueue(self, run: NewRun, cap: int, event: AuditEvent) -> Run:
        if run.request_id and (known := await self.find_by_request(run.tenant_id, run.dataset_id, run.request_id)):
            return known
        self.caps[run.tenant_id] = cap
        self._message(MessageKind.AUDIT, run.tenant_id, {"action": event.action, "resource_id": event.resource_id})
        return self._queue(run)

    def _queue(self, new: NewRun, dedupe_key: str = "") -> Run:
        run = Run(
            id=new.id,
            tenant_id=new.tenant_id,
            dataset_id=new.dataset_id,
            dataset_name=new.dataset_name,
            kinds=new.kinds,
            trigger=new.trigger,
            state=RunState.QUEUED,
            create_time=self.now(),
            triggered_by=new.triggered_by,
        )
        self.kept[new.id] = _Kept(run, new, self.now(), dedupe_key=dedupe_key)
        self.work.set()
        return run

    async def find_by_request(self, tenant_id: str, dataset_id: str, request_id: str) -> Run | None:
        wanted = (tenant_id, dataset_id, request_id)
        found = (k.run for k in self.kept.values() if (k.new.tenant_id, k.new.dataset_id, k.new.request_id) == wanted)
        return next(found, None)

    async def get(self, tenant_id: str, run_id: str, *, with_results: bool) -> Run:
        run = self._find(tenant_id, run_id).run
        checks = tuple(replace(check, samples=FailedRows((), ()) if check.samples else None) for check in run.checks)
        return replace(run, checks=checks) if with_results else replace(run, checks=(), drifts=())

    def _find(self, tenant_id: str, run_id: str) -> _Kept:
        kept = self.kept.get(run_id)
        if kept is None or kept.run.tenant_id != tenant_id:
            raise RunNotFound(run=run_id)
        return kept

    async def list(self, tenant_id: str, wanted: RunFilter, limit: int, after: RunKey | None) -> Sequence[Run]:
        def matches(run: Run) -> bool:
            return (
                run.tenant_id == tenant_id
                and wanted.dataset_id in (None, run.dataset_id)
                and wanted.state in (None, run.state)
                and wanted.verdict in (None, run.verdict)
                and wanted.trigger in (None, run.trigger)
                and (wanted.from_time is None or run.create_time >= wanted.from_time)
                and (wanted.to_time is None or run.create_time < wanted.to_time)
                and (after is None or (run.create_time, run.id) < (after.create_time, after.id))
            )

        runs = sorted((k.run for k in self.kept.values()), key=lambda run: (run.create_time, run.id), reverse=True)
        return [replace(run, checks=(), drifts=()) for run in runs if matches(run)][:limit]

    async def cancel(self, tenant_id: str, run_id: str, event: AuditEvent) -> Run:
        kept = self._find(tenant_id, run_id)
        if kept.run.state is RunState.CANCELLED:
            return kept.run
        if kept.run.state.ended:
            raise RunEnded(run=run_id)
        if kept.run.state is RunState.QUEUED:
            kept.run = replace(kept.run, state=RunState.CANCELLED, end_time=self.now(), error=None, next_attempt_time=None)
            self._finished(kept)
        else:
            kept.run = replace(kept.run, cancel_requested=True, error=None)
        self._message(MessageKind.AUDIT, tenant_id, {"action": event.action, "resource_id": event.resource_id})
        self._tell(run_id, RunNews.CANCEL_REQUESTED if kept.run.cancel_requested else RunNews.CHANGED)
        return kept.run

    async def failed_rows(self, tenant_id: str, run_id: str) -> Sequence[CheckSamples]:
        checks = self._find(tenant_id, run_id).run.checks
        return [CheckSamples(check.id, check.name, check.samples) for check in checks if check.samples]

    async def active_run_ids(self, tenant_id: str, dataset_id: str, limit: int) -> Sequence[str]:
        runs = [k.run for k in self.kept.values() if (k.run.tenant_id, k.run.dataset_id) == (tenant_id, dataset_id)]
        return [run.id for run in runs if not run.state.ended][:limit]

    # The queue, as workers see it.

    async def claim(self) -> ClaimedRun | None:
        due = [k for k in self.kept.values() if k.run.state is RunState.QUEUED and k.due <= self.now() and self._has_place(k)]
        if not due:
            return None
        kept = min(due, key=lambda k: (self.turns.get(k.run.tenant_id, 0), k.due, k.run.id))
        tenant = kept.run.tenant_id
        self.turns[tenant] = 1 + max(self.turns.values(), default=0)
        kept.token = str(uuid4())
        kept.lease_expires = self.now() + timedelta(seconds=self.lease_seconds)
        started = kept.run.start_time or self.now()
        kept.run = replace(kept.run, state=RunState.RUNNING, attempts=kept.run.attempts + 1, start_time=started, next_attempt_time=None)
        self._tell(kept.run.id, RunNews.STARTED)
        return ClaimedRun(
            id=kept.run.id,
            tenant_id=tenant,
            dataset_id=kept.run.dataset_id,
            dataset_name=kept.run.dataset_name,
            kinds=kept.run.kinds,
            trigger=kept.run.trigger,
            variables=kept.new.variables,
            attempt=kept.run.attempts,
            failures=kept.failures,
            lease_token=kept.token,
            create_time=kept.run.create_time,
            queued_seconds=(self.now() - kept.due).total_seconds(),
            tenant_cap=self.caps.get(tenant, self.default_cap),
        )

    def _has_place(self, kept: _Kept) -> bool:
        tenant = kept.run.tenant_id
        running = sum(k.run.tenant_id == tenant and k.run.state is RunState.RUNNING for k in self.kept.values())
        return running < self.caps.get(tenant, self.default_cap)

    def _held(self, run: ClaimedRun) -> _Kept:
        kept = self.kept[run.id]
        if kept.run.state is not RunState.RUNNING or kept.token != run.lease_token:
            raise LeaseLost
        return kept

    async def renew(self, run: ClaimedRun) -> LeaseStatus:
        try:
            kept = self._held(run)
        except LeaseLost:
            return LeaseStatus.LOST
        kept.lease_expires = self.now() + timedelta(seconds=self.lease_seconds)
        return LeaseStatus.CANCEL_REQUESTED if kept.run.cancel_requested else LeaseStatus.HELD

    async def succeed(self, run: ClaimedRun, result: RunResult, measurements: Sequence[Measurement]) -> RunState:
        kept = self._held(run)
        state = self._leave(kept, RunState.SUCCEEDED, verdict=result.verdict)
        if state is RunState.SUCCEEDED:
            kept.run = replace(kept.run, checks=tuple(result.checks), drifts=tuple(result.drifts), counts=count_verdicts(result.checks))
            self.history += [(run.tenant_id, run.dataset_id, measurement) for measurement in measurements]
        return state

    async def give_up(self, run: ClaimedRun, error: RunError) -> RunState:
        return self._leave(self._held(run), RunState.ERRORED, error=error, verdict=RunVerdict.ERROR)

    async def retry(self, run: ClaimedRun, error: RunError, delay_seconds: float, *, counts: bool) -> RunState:
        kept = self._held(run)
        kept.failures += int(counts)
        return self._leave(kept, RunState.QUEUED, error=error, delay_seconds=delay_seconds)

    async def release(self, run: ClaimedRun) -> RunState:
        return self._leave(self._held(run), RunState.QUEUED)

    async def acknowledge_cancel(self, run: ClaimedRun) -> RunState:
        return self._leave(self._held(run), RunState.CANCELLED)

    def _leave(
        self, kept: _Kept, wanted: RunState, *, error: RunError | None = None, verdict: RunVerdict | None = None, delay_seconds: float = 0
    ) -> RunState:
        cancelled = kept.run.cancel_requested
        state = RunState.CANCELLED if cancelled else wanted
        kept.token, kept.lease_expires = "", None
        kept.due = self.now() + timedelta(seconds=delay_seconds)
        kept.run = replace(
            kept.run,
            state=state,
            verdict=None if cancelled else verdict,
            error=None if cancelled else error,
            cancel_requested=False,
            end_time=self.now() if state.ended else None,
            next_attempt_time=kept.due if state is RunState.QUEUED else None,
        )
        if state.ended:
            self._finished(kept)
        self.work.set()
        self._tell(kept.run.id, RunNews.CHANGED)
        return state

    async def follow_cap(self, tenant_id: str, cap: int) -> None:
        self.caps[tenant_id] = cap

    async def expire_lease(self) -> ExpiredLease | None:
        expired = [k for k in self.kept.values() if k.lease_expires and k.lease_expires < self.now()]
        if not expired:
            return None
        kept = expired[0]
        kept.failures += 1
        gone = kept.failures >= self.max_failures
        error = RunError("SCAN_WORKER_DIED", "The worker that held the run stopped answering.")
        state = self._leave(kept, RunState.ERRORED if gone else RunState.QUEUED, error=error, verdict=RunVerdict.ERROR if gone else None)
        return ExpiredLease(kept.run.id, kept.run.tenant_id, state, "fake")

    async def depths(self) -> Sequence[QueueDepth]:
        tenants = sorted({k.run.tenant_id for k in self.kept.values() if not k.run.state.ended})
        return [self._depth(tenant) for tenant in tenants]

    def _depth(self, tenant: str) -> QueueDepth:
        runs = [k.run for k in self.kept.values() if k.run.tenant_id == tenant]
        queued = [run for run in runs if run.state is RunState.QUEUED]
        oldest = max(((self.now() - run.create_time).total_seconds() for run in queued), default=0.0)
        return QueueDepth(tenant, len(queued), sum(run.state is RunState.RUNNING for run in runs), oldest)

    async def prune(self, measurements_before: datetime, runs_before: datetime, limit: int) -> int:
        old = [run_id for run_id, k in self.kept.items() if k.run.end_time and k.run.end_time < runs_before][:limit]
        for run_id in old:
            del self.kept[run_id]
        return len(old)

    # Schedules. The methods carry other names where a run's are the same; `FakeSchedules` puts them in place.

    async def fire_due(self, limit: int, decide: Callable[[DueSchedule], FiredSchedule]) -> FireReport:
        due = [s for s in self.schedules.values() if s.next_run_time and s.next_run_time <= self.now()][:limit]
        fired = [decide(_as_due(schedule)) for schedule in due]
        queued = [run.id for item in fired if (run := self._fire(item))]
        return FireReport(len(due), queued, [item.due for item in fired if item.next_run_time is None])

    def _fire(self, fired: FiredSchedule) -> Run | None:
        key = (fired.due.tenant_id, fired.due.dataset_id)
        self.schedules[key] = replace(
            self.schedules[key],
            last_run_time=fired.due.due_time,
            next_run_time=fired.next_run_time,
            paused=fired.next_run_time is None,
        )
        waiting = [
            k
            for k in self.kept.values()
            if (k.run.tenant_id, k.run.dataset_id) == key
            and k.run.trigger is RunTrigger.SCHEDULE
            and k.run.state is RunState.QUEUED
            and k.run.attempts == 0
        ]
        dedupe_key = f"{fired.due.dataset_id}@{fired.due.due_time.timestamp()}"
        if waiting or any(k.dedupe_key == dedupe_key for k in self.kept.values()):
            return None
        new = NewRun(fired.run_id, *key, fired.due.dataset_name, fired.kinds, RunTrigger.SCHEDULE, "")
        return self._queue(new, dedupe_key)

    # History, outbox, news.

    def of_dataset(self, tenant_id: str, dataset_id: str) -> HistoryReader:
        return _FakeHistory(self, tenant_id, dataset_id)

    def _finished(self, kept: _Kept) -> None:
        payload = {"run_id": kept.run.id, "dataset_id": kept.run.dataset_id, "state": kept.run.state.value}
        self._message(MessageKind.RUN_FINISHED, kept.run.tenant_id, payload)

    def _message(self, kind: MessageKind, tenant_id: str, payload: Mapping[str, object]) -> None:
        self.messages.append((kind, Message(new_id(), tenant_id, payload, self.now())))

    async def take(self, kind: MessageKind, limit: int) -> Sequence[Message]:
        return [message for message_kind, message in self.messages if message_kind is kind][:limit]

    async def delete(self, ids: Sequence[str]) -> None:
        self.messages = [(kind, message) for kind, message in self.messages if message.id not in ids]

    @asynccontextmanager
    async def of_run(self, run_id: str, every_seconds: float) -> AsyncIterator[AsyncIterator[RunNews]]:
        queue: asyncio.Queue[RunNews] = asyncio.Queue()
        self.watchers[run_id].add(queue)
        try:
            yield _news(queue, every_seconds)
        finally:
            self.watchers[run_id].discard(queue)

    async def wait_for_work(self, timeout_seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.work.wait(), timeout_seconds)
        self.work.clear()

    def _tell(self, run_id: str, news: RunNews) -> None:
        for queue in self.watchers[run_id]:
            queue.put_nowait(news)


async def _news(queue: asyncio.Queue[RunNews], every_seconds: float) -> AsyncIterator[RunNews]:
    while True:
        try:
            yield await asyncio.wait_for(queue.get(), every_seconds)
        except TimeoutError:
            yield RunNews.NONE


@dataclass
class _FakeHistory:
    store: FakeStore
    tenant_id: str
    dataset_id: str

    async def measurements(self, query: HistoryQuery) -> Sequence[Measurement]:
        def matches(measurement: Measurement) -> bool:
            if measurement.metric_identity != query.metric_identity:
                return False
            if query.before and measurement.data_time >= query.before:
                return False
            last = query.before - timedelta(microseconds=1) if query.before and query.at_or_before_same_weekday else None
            return last is None or last.isoweekday() == measurement.data_time.astimezone(last.tzinfo).isoweekday()

        own = [m for tenant, dataset, m in self.store.history if (tenant, dataset) == (self.tenant_id, self.dataset_id)]
        newest_first = sorted(own, key=lambda m: m.data_time, reverse=True)
        return [m for m in newest_first if matches(m)][: query.limit]


def _as_due(schedule: Schedule) -> DueSchedule:
    assert schedule.next_run_time is not None
    return DueSchedule(
        schedule.tenant_id,
        schedule.dataset_id,
        schedule.dataset_name,
        schedule.cron,
        schedule.timezone,
        schedule.kinds,
        schedule.next_run_time,
    )

"""What is known of datasets, in Postgres; every outcome of an evaluation in one transaction."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import asdict, replace

from services.common.audit import AuditEvent
from services.common.postgres import Connection, Database
from services.common.sql import load_statements
from services.drift.app.ports import NewBaseline, Outcome
from services.drift.domain.errors import StateMoved
from services.drift.domain.profile import encode_profile
from services.drift.domain.record import Evaluation, Finding, KeptProfile, Watch
from services.drift.storage import rows

_sql = load_statements("services.drift.storage.sql", "watches.sql")
_profiles = load_statements("services.drift.storage.sql", "profiles.sql")
_findings = load_statements("services.drift.storage.sql", "findings.sql")
_baselines = load_statements("services.drift.storage.sql", "baselines.sql")


class PostgresWatchStore:
    """`app.ports.WatchStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def evaluation(self, tenant_id: str, run_id: str) -> Evaluation | None:
        async with self._database.tenant_tx(tenant_id) as connection:
            row = await connection.fetchrow(_sql.get_evaluation, tenant_id, run_id)
            if row is None:
                return None
            found = await connection.fetch(_findings.get_findings, tenant_id, row["finding_ids"])
            return rows.to_evaluation(row, [rows.to_finding(finding) for finding in found])

    async def watch(self, tenant_id: str, dataset_id: str) -> Watch | None:
        async with self._database.tenant_tx(tenant_id) as connection:
            row = await connection.fetchrow(_sql.get_watch, tenant_id, dataset_id)
        return rows.to_watch(row) if row else None

    async def record(self, tenant_id: str, outcome: Outcome) -> Evaluation | None:
        async with self._database.tenant_tx(tenant_id) as connection:
            # First: its row is the lock that two evaluations of a dataset meet at.
            if outcome.watch:
                await put_watch(connection, tenant_id, outcome.watch)
            for new in outcome.baselines:
                await _add_baseline(connection, tenant_id, new)
            ids = {profile.id: await put_profile(connection, tenant_id, profile) for profile in outcome.profiles}
            findings = [await _put_finding(connection, tenant_id, finding, ids, outcome) for finding in outcome.findings]
            if outcome.event:
                await add_audit_event(connection, outcome.event)
            if outcome.evaluation is None:
                return None
            return await _add_evaluation(connection, tenant_id, replace(outcome.evaluation, findings=tuple(findings)))

    async def salt(self, tenant_id: str) -> str:
        async with self._database.tenant_tx(tenant_id) as connection:
            await connection.execute(_sql.insert_salt, tenant_id, secrets.token_hex(16))
            return str(await connection.fetchval(_sql.get_salt, tenant_id))


async def put_watch(connection: Connection, tenant_id: str, watch: Watch) -> None:
    """Keep it in place of the revision that it was read at. Raises StateMoved."""
    parameters = rows.from_watch(tenant_id, watch)
    if watch.revision:
        stored = await connection.fetchval(_sql.update_watch, *parameters, watch.revision)
    else:
        stored = await connection.fetchval(_sql.insert_watch, *parameters)
    if stored is None:
        raise StateMoved


async def put_profile(connection: Connection, tenant_id: str, profile: KeptProfile) -> str:
    """Keep it in place of an earlier one of its period; the id that it has by now."""
    return str(await connection.fetchval(_profiles.put_profile, *profile_parameters(tenant_id, profile)))


def profile_parameters(tenant_id: str, profile: KeptProfile) -> tuple[object, ...]:
    return (
        profile.id,
        tenant_id,
        profile.dataset_id,
        rows.clean(profile.layout),
        profile.period,
        profile.time,
        profile.profile.rows,
        profile.standing,
        rows.from_band(profile.band),
        profile.backfilled,
        profile.run_id or None,
        profile.create_time,
        rows.clean(encode_profile(profile.profile)),
    )


async def add_audit_event(connection: Connection, event: AuditEvent) -> None:
    """Write down an event of the tenant whose transaction this is. The message has the event's id, which the receiver knows it by."""
    await connection.execute(_sql.insert_audit_event, event.id, event.tenant_id, rows.to_json(asdict(event)))


async def _add_baseline(connection: Connection, tenant_id: str, new: NewBaseline) -> None:
    baseline = new.baseline
    if baseline.version > 1:
        await connection.execute(
            _baselines.close_baseline,
            tenant_id,
            baseline.dataset_id,
            baseline.version - 1,
            rows.clean(new.closing_state),
            new.closing_period,
        )
    await connection.execute(_baselines.insert_baseline, *rows.from_baseline(tenant_id, baseline))


async def _put_finding(connection: Connection, tenant_id: str, finding: Finding, ids: dict[str, str], outcome: Outcome) -> Finding:
    profile_id = ids.get(finding.profile_id, finding.profile_id)
    stored = await connection.fetchval(
        _findings.put_finding,
        finding.id,
        tenant_id,
        finding.dataset_id,
        profile_id or None,
        finding.run_id or None,
        _identity(finding, outcome),
        finding.found.kind,
        finding.found.severity,
        rows.from_found(finding.found),
        rows.from_plots(finding.found.plots),
        finding.baseline_version,
        finding.partition_time,
        finding.create_time,
    )
    return replace(finding, id=str(stored), profile_id=profile_id)


def _identity(finding: Finding, outcome: Outcome) -> str:
    """What makes findings of two evaluations the same: period, kind of change, and the column that moved most."""
    layout = outcome.watch.layout if outcome.watch else ""
    periods = {profile.id: profile.period.isoformat() for profile in outcome.profiles}

    def subject(one: Finding) -> Sequence[str]:
        period = periods.get(one.profile_id, one.partition_time.isoformat())
        return period, one.found.kind, one.found.change, *one.found.columns[:1]

    alike = [other for other in outcome.findings if subject(other) == subject(finding)]
    number = next(at for at, other in enumerate(alike) if other is finding)
    text = "\0".join((layout, *subject(finding), str(number)))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


async def _add_evaluation(connection: Connection, tenant_id: str, evaluation: Evaluation) -> Evaluation:
    """Raises StateMoved when the run was evaluated meanwhile: its first result is the one that counts."""
    stored = await connection.fetchval(
        _sql.insert_evaluation,
        tenant_id,
        evaluation.run_id,
        evaluation.dataset_id,
        [finding.id for finding in evaluation.findings],
        evaluation.partitions_judged,
        evaluation.complete,
        evaluation.create_time,
    )
    if stored is None:
        raise StateMoved
    return evaluation

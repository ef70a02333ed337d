"""Use cases on the store in memory: races and failures that are hard to bring about from outside."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from services.common.audit import AuditEvent
from services.common.errors import DependencyUnavailable, EtagMismatch, ResourceInUse
from services.common.ids import new_id
from services.common.sealing import KeyRing, Sealer, SealingError
from services.registry.app.auditing import AuditTrail
from services.registry.app.create_connection import CreateConnection
from services.registry.app.create_dataset import CreateDataset
from services.registry.app.delete_dataset import DeleteDataset
from services.registry.app.drift_settings import check_drift_settings
from services.registry.app.get_health import GetHealth
from services.registry.app.key_uses import KeyUses
from services.registry.app.record_audit_events import RecordAuditEvents
from services.registry.app.secrets import ConnectionSecrets
from services.registry.app.update_connection import UpdateConnection
from services.registry.app.update_dataset import UpdateDataset
from services.registry.domain.connection import Connection, ConnectionDraft
from services.registry.domain.dataset import CheckProblem, Dataset, DatasetDraft, DatasetUsage, ParsedChecks
from services.registry.domain.errors import DatasetNotFound, InvalidDriftSettings
from services.registry.domain.tenant import Tenant
from services.registry.storage.sealing import RowSealer
from tests.unit.registry import samples
from tests.unit.registry.memory_store import MemoryStore

SEALER = RowSealer(Sealer(KeyRing("k1", {"k1": base64.b64decode(b"A" * 43 + b"=")})))


TRAIL = AuditTrail(new_id, lambda: samples.TIME)


class OpenEgress:
    def __init__(self) -> None:
        self.checked: list[tuple[str, int]] = []

    async def check(self, host: str, port: int, field: str) -> Sequence[str]:
        self.checked.append((host, port))
        return [host]


class Quality:
    """Counts lines as checks; `meanwhile` runs while it is asked, as another editor would."""

    def __init__(self, usage: DatasetUsage | None = None) -> None:
        self.meanwhile: list[Dataset] = []
        self.store: MemoryStore | None = None
        self.asked = 0
        self._usage = usage or DatasetUsage(False, ())

    async def parse(self, checks_yaml: str) -> ParsedChecks:
        self.asked += 1
        if self.meanwhile and self.store:
            other = self.meanwhile.pop()
            self.store.rows.datasets[other.id] = other
        return ParsedChecks((), len(checks_yaml.splitlines()))

    async def usage(self, tenant_id: str, dataset_id: str) -> DatasetUsage:
        if self.store:
            del self.store.rows.datasets[dataset_id]
        return self._usage


async def stored(store: MemoryStore) -> tuple[Tenant, Connection, Dataset]:
    tenant = samples.tenant()
    connection = samples.connection(tenant.id)
    dataset = samples.dataset(tenant.id, connection.id)
    async with store.tenant(tenant.id) as tx:
        await tx.tenants.add(tenant)
        await tx.connections.add(connection)
        await tx.datasets.add(dataset)
    return tenant, connection, dataset


async def test_change_made_while_checks_were_parsed_is_not_overwritten() -> None:
    store, quality = MemoryStore(), Quality()
    tenant, _, dataset = await stored(store)
    quality.store = store
    quality.meanwhile = [replace(dataset, content=replace(dataset.content, owner="bob"), revision=2)]
    update = UpdateDataset(store, quality, TRAIL, lambda: samples.TIME)

    def change(present: Dataset) -> DatasetDraft:
        return replace(present.content, checks_yaml="a\nb\n")

    changed = await update.execute(samples.caller(tenant.id), dataset.id, change, "")
    assert (changed.content.owner, changed.content.checks_yaml, changed.check_count, changed.revision) == ("bob", "a\nb\n", 2, 3)
    assert quality.asked == 2


async def test_change_that_never_gets_its_turn_gives_up() -> None:
    store, quality = MemoryStore(), Quality()
    tenant, _, dataset = await stored(store)
    quality.store = store
    quality.meanwhile = [replace(dataset, revision=revision) for revision in (9, 8, 7)]
    update = UpdateDataset(store, quality, TRAIL, lambda: samples.TIME)
    with pytest.raises(EtagMismatch, match="all the time"):
        await update.execute(samples.caller(tenant.id), dataset.id, lambda present: replace(present.content, checks_yaml="a"), "")
    assert store.rows.audit_events == {}


async def test_dataset_that_somebody_else_deletes_meanwhile_is_not_found() -> None:
    store, quality = MemoryStore(), Quality()
    tenant, _, dataset = await stored(store)
    quality.store = store
    with pytest.raises(DatasetNotFound):
        await DeleteDataset(store, quality, TRAIL).execute(samples.caller(tenant.id), dataset.id, "")
    assert store.rows.audit_events == {}


async def test_users_of_a_dataset_are_ten_at_most() -> None:
    store, quality = MemoryStore(), Quality(DatasetUsage(True, tuple(f"r{number}" for number in range(10))))
    tenant, _, dataset = await stored(store)
    with pytest.raises(ResourceInUse) as caught:
        await DeleteDataset(store, quality, TRAIL).execute(samples.caller(tenant.id), dataset.id, "")
    assert [user.kind for user in caught.value.users] == ["schedule"] + ["run"] * 9
    assert dataset.id in store.rows.datasets


async def test_host_is_checked_only_when_the_login_goes_elsewhere() -> None:
    store, egress = MemoryStore(), OpenEgress()
    tenant, _, _ = await stored(store)
    caller = samples.caller(tenant.id)
    create = CreateConnection(store, egress, SEALER, TRAIL, new_id, lambda: samples.TIME)
    made = await create.execute(caller, samples.connection_draft("pg", samples.POSTGRES), None)
    update = UpdateConnection(store, egress, SEALER, TRAIL, lambda: samples.TIME)

    async def change(**fields: object) -> Connection:
        def wanted(present: Connection) -> ConnectionDraft:
            return ConnectionDraft(present.name, present.description, replace(present.settings, **fields), samples.PASSWORD)  # type: ignore[arg-type]

        return await update.execute(caller, made.id, wanted, "")

    await change(database="other")
    assert egress.checked == [("db.example.com", 5432)]
    await change(port=6432)
    assert egress.checked == [("db.example.com", 5432), ("db.example.com", 6432)]


async def test_secret_moved_to_another_row_or_version_does_not_open() -> None:
    secrets = ConnectionSecrets(SEALER)
    tenant_id = new_id()
    connection = samples.connection(tenant_id)
    sealed = secrets.seal(tenant_id, connection.id, 1, samples.PASSWORD)
    opened = secrets.open(replace(connection, secret=sealed))
    assert opened.secret == samples.PASSWORD
    for moved in (
        replace(connection, secret=replace(sealed, version=2)),
        replace(connection, secret=sealed, id=new_id()),
        replace(connection, secret=sealed, tenant_id=new_id()),
    ):
        with pytest.raises(SealingError):
            secrets.open(moved)


async def test_failed_audit_undoes_the_change() -> None:
    store = MemoryStore()
    tenant, connection, _ = await stored(store)

    def broken() -> str:
        raise RuntimeError("no id")

    create = CreateDataset(store, Quality(), SEALER, AuditTrail(broken, lambda: samples.TIME), new_id, lambda: samples.TIME)
    with pytest.raises(RuntimeError):
        await create.execute(samples.caller(tenant.id), samples.dataset_draft(connection.id, "second"), None)
    assert [dataset.content.name for dataset in store.rows.datasets.values()] == ["customers"]


class FailingStore(MemoryStore):
    """Refuses to note uses until told otherwise, and counts the tries."""

    def __init__(self) -> None:
        super().__init__()
        self.is_down = True
        self.notes: list[dict[str, object]] = []

    async def note_key_uses(self, uses: object) -> None:
        if self.is_down:
            raise DependencyUnavailable
        assert isinstance(uses, dict)
        self.notes.append(dict(uses))


async def test_uses_of_a_key_are_stored_once_a_minute_and_survive_an_outage() -> None:
    store = FailingStore()
    uses = KeyUses(store)
    for second in (1, 30, 59):
        uses.note("k", samples.TIME + timedelta(seconds=second))
    with pytest.raises(DependencyUnavailable):
        await uses.flush()
    store.is_down = False
    await uses.flush()
    uses.note("k", samples.TIME + timedelta(seconds=59))
    await uses.flush()
    uses.note("k", samples.TIME + timedelta(seconds=61))
    await uses.flush()
    assert store.notes == [{"k": samples.TIME}, {"k": samples.TIME + timedelta(minutes=1)}]


async def test_recorded_events_are_cut_like_our_own() -> None:
    store = MemoryStore()
    event: AuditEvent = samples.audit_event(None, after={"a": {"b": ["x" * 5000]}})
    await RecordAuditEvents(store).execute([event])
    (kept,) = store.rows.audit_events.values()
    assert kept.after is not None
    assert len(kept.after["a"]["b"][0]) < 2100


async def test_health_is_of_each_part_by_name() -> None:
    async def works() -> None:
        return

    async def fails() -> None:
        raise DependencyUnavailable

    assert list((await GetHealth({"b": works, "a": fails}).execute()).items()) == [("a", False), ("b", True)]


class DriftReader:
    """Finds fault with settings that say `bogus`, or does not answer."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.away = False

    async def problems(self, drift_yaml: str) -> list[CheckProblem]:
        self.read.append(drift_yaml)
        if self.away:
            raise DependencyUnavailable(service="drift")
        return [CheckProblem(1, 1, "`bogus` is not a setting")] if "bogus" in drift_yaml else []


async def test_drift_settings_are_read_before_they_are_saved() -> None:
    reader = DriftReader()
    await check_drift_settings(reader, "watch: [volume]\n")
    with pytest.raises(InvalidDriftSettings) as refused:
        await check_drift_settings(reader, "bogus: 1\n")
    (violation,) = refused.value.violations
    assert (violation.field, violation.description) == ("dataset.drift_yaml", "line 1, column 1: `bogus` is not a setting")
    reader.away = True
    with pytest.raises(DependencyUnavailable):
        await check_drift_settings(reader, "watch: [schema]\n")


async def test_no_drift_settings_and_no_drift_service_need_no_reader() -> None:
    reader = DriftReader()
    await check_drift_settings(reader, " \n")
    await check_drift_settings(None, "bogus: 1\n")
    assert reader.read == []

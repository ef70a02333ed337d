"""What a store of the registry does, whatever it keeps things in."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from services.common.audit import Outcome
from services.common.errors import NameTaken
from services.common.ids import new_id
from services.registry.app.ports import Store
from services.registry.domain.audit import AuditFilter
from services.registry.domain.connection import Connection
from services.registry.domain.dataset import DatasetFilter, SamplePolicy
from services.registry.domain.errors import ConnectionNotFound
from services.registry.domain.paging import PageRequest
from services.registry.domain.request_key import StoredRequest
from services.registry.domain.tenant import Quotas, Tenant, TenantState
from tests.unit.registry import samples

ALL = PageRequest(1000)


async def add_tenant(store: Store, name: str = "acme") -> Tenant:
    tenant = samples.tenant(name)
    async with store.tenant(tenant.id) as tx:
        await tx.tenants.add(tenant)
    return tenant


async def add_connection(store: Store, tenant_id: str, name: str = "wh") -> Connection:
    connection = samples.connection(tenant_id, name)
    async with store.tenant(tenant_id) as tx:
        await tx.connections.add(connection)
    return connection


async def test_what_is_stored_is_read_back_whole(store: Store) -> None:
    tenant = samples.tenant(display_name="ÄCME 🚀 'x'; --", quotas=Quotas(3, 0, 7), state=TenantState.SUSPENDED)
    connection = samples.connection(tenant.id, settings=replace(samples.POSTGRES, granted_schemas=("a", "b")), description="line\nbreak")
    dataset = samples.dataset(
        tenant.id,
        connection.id,
        checks_yaml="# комментарий\nchecks for t:\n  - row_count > 0\n",
        tags=("a", "b 🚀"),
        variables={"day": "it's"},
        samples=SamplePolicy(3, ("EMAIL",)),
    )
    api_key = samples.api_key(tenant.id, expire_time=samples.TIME)
    event = samples.audit_event(tenant.id, before={"a": [1, {"b": None}]}, after={"a": "🚀"})
    async with store.tenant(tenant.id) as tx:
        await tx.tenants.add(tenant)
        await tx.connections.add(connection)
        await tx.datasets.add(dataset)
        await tx.api_keys.add(api_key)
        await tx.audit_events.add(event)
    async with store.tenant(tenant.id) as tx:
        assert await tx.tenants.get(tenant.id) == tenant
        assert await tx.connections.get(connection.id) == await tx.connections.find(connection.name) == connection
        assert await tx.datasets.get(dataset.id) == dataset
        assert await tx.api_keys.lock(api_key.id) == await store.find_api_key(api_key.id) == api_key
        assert (await tx.audit_events.list(AuditFilter(), ALL)).items == [event]


async def test_transaction_that_fails_leaves_nothing(store: Store) -> None:
    tenant = samples.tenant()

    async def fail() -> None:
        async with store.tenant(tenant.id) as tx:
            await tx.tenants.add(tenant)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with store.tenant(tenant.id) as tx:
        assert await tx.tenants.get(tenant.id) is None


async def test_nothing_of_another_tenant_can_be_read_changed_or_removed(store: Store) -> None:
    own, other = await add_tenant(store, "own"), await add_tenant(store, "other")
    connection = await add_connection(store, own.id)
    dataset, api_key = samples.dataset(own.id, connection.id), samples.api_key(own.id)
    async with store.tenant(own.id) as tx:
        await tx.datasets.add(dataset)
        await tx.api_keys.add(api_key)
        await tx.audit_events.add(samples.audit_event(own.id))
    async with store.tenant(other.id) as tx:
        assert [await tx.tenants.get(own.id), await tx.connections.get(connection.id), await tx.connections.find("wh")] == [None] * 3
        assert [await tx.datasets.lock(dataset.id), await tx.api_keys.lock(api_key.id), await tx.datasets.count()] == [None, None, 0]
        assert list((await tx.audit_events.list(AuditFilter(), ALL)).items) == []
        await tx.tenants.update(replace(own, display_name="taken over"))
        await tx.connections.update(replace(connection, name="x", description="taken over"))
        await tx.api_keys.update(replace(api_key, revoke_time=samples.TIME))
        await tx.datasets.remove(dataset.id)
        await tx.connections.remove(connection.id)
        await tx.tenants.remove(own.id)
    async with store.tenant(own.id) as tx:
        assert await tx.tenants.get(own.id) == own
        assert await tx.connections.get(connection.id) == connection
        assert await tx.datasets.get(dataset.id) == dataset
        assert await tx.api_keys.lock(api_key.id) == api_key


async def test_dataset_cannot_be_put_on_another_tenants_connection(store: Store) -> None:
    own, other = await add_tenant(store, "own"), await add_tenant(store, "other")
    connection = await add_connection(store, other.id)
    with pytest.raises(ConnectionNotFound):
        async with store.tenant(own.id) as tx:
            await tx.datasets.add(samples.dataset(own.id, connection.id))


async def test_names_are_unique_in_a_tenant_and_case_counts(store: Store) -> None:
    own, other = await add_tenant(store, "own"), await add_tenant(store, "other")
    first = await add_connection(store, own.id, "wh")
    await add_connection(store, other.id, "wh")
    await add_connection(store, own.id, "WH")
    with pytest.raises(NameTaken) as taken:
        await add_connection(store, own.id, "wh")
    assert taken.value.metadata == {"name": "wh"}
    async with store.tenant(own.id) as tx:
        await tx.datasets.add(samples.dataset(own.id, first.id))
    with pytest.raises(NameTaken):
        async with store.tenant(own.id) as tx:
            await tx.datasets.add(samples.dataset(own.id, first.id))
    with pytest.raises(NameTaken):
        await add_tenant(store, "own")


async def test_rename_to_a_taken_name_is_refused(store: Store) -> None:
    tenant = await add_tenant(store)
    await add_connection(store, tenant.id, "one")
    two = await add_connection(store, tenant.id, "two")
    with pytest.raises(NameTaken):
        async with store.tenant(tenant.id) as tx:
            await tx.connections.update(replace(two, name="one"))


async def test_name_of_a_revoked_key_is_free_again(store: Store) -> None:
    tenant = await add_tenant(store)
    first, second = samples.api_key(tenant.id), samples.api_key(tenant.id)
    async with store.tenant(tenant.id) as tx:
        await tx.api_keys.add(first)
    with pytest.raises(NameTaken):
        async with store.tenant(tenant.id) as tx:
            await tx.api_keys.add(second)
    async with store.tenant(tenant.id) as tx:
        await tx.api_keys.update(replace(first, revoke_time=samples.TIME))
        await tx.api_keys.add(second)
        assert [key.id for key in (await tx.api_keys.list(ALL)).items] == [first.id, second.id]


async def test_pages_follow_each_other_without_gap_or_double(store: Store) -> None:
    tenant = await add_tenant(store)
    made = [await add_connection(store, tenant.id, f"c{index}") for index in range(5)]
    seen: list[str] = []
    after = None
    async with store.tenant(tenant.id) as tx:
        while True:
            page = await tx.connections.list("", PageRequest(2, after))
            seen += [connection.id for connection in page.items]
            after = page.last_key
            if after is None:
                break
    assert seen == [connection.id for connection in made]


async def test_last_full_page_says_that_it_is_the_last(store: Store) -> None:
    tenant = await add_tenant(store)
    for index in range(2):
        await add_connection(store, tenant.id, f"c{index}")
    async with store.tenant(tenant.id) as tx:
        page = await tx.connections.list("", PageRequest(2))
    assert (len(page.items), page.last_key) == (2, None)


async def test_tenants_are_listed_across_and_found_by_name(store: Store) -> None:
    made = [await add_tenant(store, name) for name in ("a", "b", "c")]
    first = await store.list_tenants("", PageRequest(2))
    rest = await store.list_tenants("", PageRequest(2, first.last_key))
    assert [tenant.id for tenant in [*first.items, *rest.items]] == [tenant.id for tenant in made]
    assert [tenant.name for tenant in (await store.list_tenants("b", ALL)).items] == ["b"]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (DatasetFilter(), ["one", "two"]),
        (DatasetFilter(name="two"), ["two"]),
        (DatasetFilter(tag="gold"), ["one"]),
        (DatasetFilter(owner="Ann ☂"), ["two"]),
        (DatasetFilter(tag="gold", owner="Ann ☂"), []),
        (DatasetFilter(name="' OR 1=1 --"), []),
        (DatasetFilter(connection_id="0193ff00-0000-7000-8000-000000000000"), []),
    ],
)
async def test_dataset_filters_combine(store: Store, wanted: DatasetFilter, names: list[str]) -> None:
    tenant = await add_tenant(store)
    connection = await add_connection(store, tenant.id)
    async with store.tenant(tenant.id) as tx:
        await tx.datasets.add(samples.dataset(tenant.id, connection.id, "one", tags=("gold", "x")))
        await tx.datasets.add(samples.dataset(tenant.id, connection.id, "two", owner="Ann ☂"))
        page = await tx.datasets.list(wanted, ALL)
    assert [dataset.content.name for dataset in page.items] == names


async def test_users_come_by_name_and_no_more_than_asked_for(store: Store) -> None:
    tenant = await add_tenant(store)
    used, unused = await add_connection(store, tenant.id, "used"), await add_connection(store, tenant.id, "unused")
    async with store.tenant(tenant.id) as tx:
        for name in ("c", "a", "b"):
            await tx.datasets.add(samples.dataset(tenant.id, used.id, name))
        assert [user.name for user in await tx.datasets.first_users(2, used.id)] == ["a", "b"]
        assert list(await tx.datasets.first_users(2, unused.id)) == []
        assert [user.name for user in await tx.connections.first_users(10)] == ["unused", "used"]


async def test_removed_tenant_takes_its_keys_and_requests_and_leaves_its_trail(store: Store) -> None:
    tenant = await add_tenant(store)
    api_key = samples.api_key(tenant.id)
    async with store.tenant(tenant.id) as tx:
        await tx.api_keys.add(api_key)
        await tx.audit_events.add(samples.audit_event(tenant.id))
        await tx.requests.claim("CreateDataset", "r1", StoredRequest(new_id(), b"digest"))
        await tx.tenants.remove(tenant.id)
    async with store.tenant(tenant.id) as tx:
        assert await tx.tenants.get(tenant.id) is None
        assert await tx.requests.find("CreateDataset", "r1") is None
        assert len((await tx.audit_events.list(AuditFilter(), ALL)).items) == 1
    assert await store.find_api_key(api_key.id) is None


async def test_key_uses_never_go_back(store: Store) -> None:
    tenant = await add_tenant(store)
    api_key = samples.api_key(tenant.id)
    async with store.tenant(tenant.id) as tx:
        await tx.api_keys.add(api_key)
    later = samples.TIME + timedelta(minutes=5)
    await store.note_key_uses({api_key.id: later, new_id(): later})
    await store.note_key_uses({api_key.id: samples.TIME})
    found = await store.find_api_key(api_key.id)
    assert found is not None
    assert found.last_use_time == later


async def test_audit_events_are_newest_first_and_filtered(store: Store) -> None:
    tenant_id = new_id()
    events = [
        samples.audit_event(tenant_id, id=new_id(), create_time=samples.TIME + timedelta(seconds=second), actor=actor, outcome=outcome)
        for second, (actor, outcome) in enumerate([("ann", Outcome.ALLOWED), ("bob", Outcome.DENIED), ("ann", Outcome.DENIED)])
    ]
    await store.record_audit_events(events)

    async def found(wanted: AuditFilter) -> list[str]:
        async with store.tenant(tenant_id) as tx:
            return [event.id for event in (await tx.audit_events.list(wanted, ALL)).items]

    ids = [event.id for event in events]
    assert await found(AuditFilter()) == ids[::-1]
    assert await found(AuditFilter(actor="ann")) == [ids[2], ids[0]]
    assert await found(AuditFilter(outcome=Outcome.DENIED)) == [ids[2], ids[1]]
    assert await found(AuditFilter(from_time=events[1].create_time, to_time=events[2].create_time)) == [ids[1]]
    assert await found(AuditFilter(action="registry.UpdateDataset", resource_id="nothing")) == []


async def test_audit_pages_survive_events_of_the_same_instant(store: Store) -> None:
    tenant_id = new_id()
    events = [samples.audit_event(tenant_id, id=new_id()) for _ in range(5)]
    await store.record_audit_events(events)
    seen: list[str] = []
    after = None
    async with store.tenant(tenant_id) as tx:
        while len(seen) < 10:
            page = await tx.audit_events.list(AuditFilter(), PageRequest(2, after))
            seen += [event.id for event in page.items]
            after = page.last_key
            if after is None:
                break
    assert seen == sorted((event.id for event in events), reverse=True)


async def test_event_that_is_sent_twice_is_stored_once(store: Store) -> None:
    tenant_id, platform = new_id(), samples.audit_event(None, id=new_id())
    event = samples.audit_event(tenant_id, id=new_id(), before={"a": 1})
    await store.record_audit_events([event, platform])
    await store.record_audit_events([replace(event, actor="somebody else")])
    async with store.tenant(tenant_id) as tx:
        assert (await tx.audit_events.list(AuditFilter(), ALL)).items == [event]


async def test_request_is_claimed_once(store: Store) -> None:
    tenant = await add_tenant(store)
    first, second = StoredRequest(new_id(), b"one"), StoredRequest(new_id(), b"two")
    async with store.tenant(tenant.id) as tx:
        assert await tx.requests.claim("CreateDataset", "r1", first)
        assert not await tx.requests.claim("CreateDataset", "r1", second)
        assert await tx.requests.claim("CreateConnection", "r1", second)
        assert await tx.platform_requests.claim("CreateDataset", "r1", second)
    async with store.tenant(tenant.id) as tx:
        assert await tx.requests.find("CreateDataset", "r1") == first
        assert await tx.platform_requests.find("CreateDataset", "r1") == second


async def test_second_claim_waits_for_the_first_and_wins_when_that_fails(store: Store) -> None:
    tenant = await add_tenant(store)
    request = StoredRequest(new_id(), b"one")
    is_claimed = asyncio.Event()

    async def fail() -> None:
        async with store.tenant(tenant.id) as tx:
            await tx.requests.claim("CreateDataset", "r1", request)
            is_claimed.set()
            await asyncio.sleep(0.05)
            raise RuntimeError

    async def follow() -> bool:
        await is_claimed.wait()
        async with store.tenant(tenant.id) as tx:
            return await tx.requests.claim("CreateDataset", "r1", request)

    failed, won = await asyncio.gather(fail(), follow(), return_exceptions=True)
    assert isinstance(failed, RuntimeError)
    assert won is True


async def test_fresh_requests_are_not_forgotten(store: Store) -> None:
    tenant = await add_tenant(store)
    async with store.tenant(tenant.id) as tx:
        await tx.requests.claim("CreateDataset", "r1", StoredRequest(new_id(), b"one"))
    assert await store.forget_requests() == 0

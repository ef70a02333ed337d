from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from services.common.errors import InvalidPageToken
from services.common.paging import KeyValue, PageTokens, page_size

TENANT = "0193f1c2-7e64-7000-8000-000000000001"
OTHER = "0193f1c2-7e64-7000-8000-000000000002"
ID = UUID(OTHER)
MOMENT = datetime(2026, 11, 23, 12, 0, 0, 123456, UTC)


def tokens(name: str = "datasets", tenant: str | None = TENANT, **filters: object) -> PageTokens:
    return PageTokens(name, tenant, filters)


@pytest.mark.parametrize(("asked", "given"), [(0, 50), (-1, 50), (1, 1), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)])
def test_page_sizes_have_a_default_and_a_limit(asked: int, given: int) -> None:
    assert page_size(asked) == given


def test_a_token_carries_the_last_key() -> None:
    token = tokens(tag="gold").encode(MOMENT, ID, "name", 7)
    assert tokens(tag="gold").decode(token, datetime, UUID, str, int) == (MOMENT, ID, "name", 7)


def test_a_moment_comes_back_in_utc_whatever_zone_it_was_in() -> None:
    local = MOMENT.astimezone(timezone(timedelta(hours=2)))
    decoded = tokens().decode(tokens().encode(local), datetime)
    assert decoded == (MOMENT,)
    assert decoded[0].tzinfo == UTC


def test_an_empty_token_is_the_first_page() -> None:
    assert tokens().decode("", UUID) is None


@pytest.mark.parametrize(
    "other",
    [
        tokens("connections", tag="gold"),
        tokens(tenant=OTHER, tag="gold"),
        tokens(tenant=None, tag="gold"),
        tokens(tag="silver"),
        tokens(),
        tokens(tag="gold", owner="ann"),
    ],
    ids=["another list", "another tenant", "the platform", "another filter", "no filter", "more filters"],
)
def test_a_token_of_elsewhere_is_refused(other: PageTokens) -> None:
    with pytest.raises(InvalidPageToken):
        other.decode(tokens(tag="gold").encode(ID), UUID)


def test_filters_that_run_into_each_other_are_told_apart() -> None:
    with pytest.raises(InvalidPageToken):
        tokens(a="x', 'b': 'y").decode(tokens(a="x", b="y").encode(ID), UUID)


def test_the_order_of_filters_does_not_matter() -> None:
    token = PageTokens("runs", TENANT, {"a": 1, "b": 2}).encode(ID)
    assert PageTokens("runs", TENANT, {"b": 2, "a": 1}).decode(token, UUID) == (ID,)


def forged(*key: object, change: dict[int, object] | None = None) -> str:
    good = json.loads(base64.urlsafe_b64decode(tokens().encode(ID) + "=="))
    good[2] = list(key)
    for position, value in (change or {}).items():
        good[position] = value
    return base64.urlsafe_b64encode(json.dumps(good).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("token", "kinds"),
    [
        ("x", (UUID,)),
        ("not base64!", (UUID,)),
        ("AAAA", (UUID,)),
        ("W10", (UUID,)),
        ("bnVsbA", (UUID,)),
        ("\u00e9", (UUID,)),
        ("A" * 5000, (UUID,)),
        (base64.urlsafe_b64encode(b"[" * 700).decode(), (UUID,)),
        (forged("'; DROP TABLE x"), (UUID,)),
        (forged(7), (UUID,)),
        (forged(None), (UUID,)),
        (forged(), (UUID,)),
        (forged(str(ID), str(ID)), (UUID,)),
        (forged("7"), (int,)),
        (forged(True), (int,)),
        (forged(2**63), (int,)),
        (forged(1.5), (int,)),
        (forged("a\0b"), (str,)),
        (forged("\ud800"), (str,)),
        (forged(["a"]), (str,)),
        (forged("2026-11-23T12:00:00"), (datetime,)),
        (forged("yesterday"), (datetime,)),
        (forged("0001-01-01T00:00:00+14:00"), (datetime,)),
        (forged(str(ID), change={0: "connections"}), (UUID,)),
        (forged(str(ID), change={1: "0" * 16}), (UUID,)),
        (forged(str(ID), change={2: "abc"}), (UUID, UUID, UUID)),
        (forged(str(ID), change={2: {"a": 1}}), (UUID,)),
        (forged(str(ID), change={2: 5}), (UUID,)),
    ],
)
def test_what_no_list_of_ours_made_is_refused(token: str, kinds: tuple[type[KeyValue], ...]) -> None:
    with pytest.raises(InvalidPageToken) as caught:
        tokens().decode(token, *kinds)
    assert caught.value.violations[0].field == "page_token"

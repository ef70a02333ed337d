from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.common.egress import EgressPolicy
from services.common.errors import EgressDenied, HostNotFound


def resolver(**known: Sequence[str]):  # type: ignore[no-untyped-def]  # a closure of the port's shape
    names = {name.replace("__", "-").replace("_", "."): addresses for name, addresses in known.items()}

    async def resolve(host: str, port: int) -> Sequence[str]:
        if host not in names:
            raise OSError("no such name")
        return names[host]

    return resolve


def policy(*, loopback: bool = False, private: bool = False, **known: Sequence[str]) -> EgressPolicy:
    return EgressPolicy(allow_loopback=loopback, allow_private=private, resolver=resolver(**known))


async def refusal(host: str, port: int = 443, **options: object) -> str:
    with pytest.raises(EgressDenied) as caught:
        await policy(**options).check(host, port, field="snowflake.host")  # type: ignore[arg-type]
    assert caught.value.violations[0].field == "snowflake.host"
    return caught.value.message


LOOPBACK = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7F.1",
    "0177.0.0.1",
    "017700000001",
    "::1",
    "[::1]",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "[::ffff:7f00:1]",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
]


@pytest.mark.parametrize("host", LOOPBACK)
async def test_loopback_is_refused_in_every_spelling(host: str) -> None:
    assert "loopback" in await refusal(host) or "reserved" in await refusal(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "::1", "[::1]", "::ffff:127.0.0.1"])
async def test_loopback_is_allowed_where_the_operator_says_so(host: str) -> None:
    assert await policy(loopback=True).check(host, 80)


@pytest.mark.parametrize(
    "host",
    ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fc00::1", "fd12:3456::1", "0xC0A80101", "::ffff:10.0.0.1"],
)
async def test_private_addresses_are_the_operators_choice(host: str) -> None:
    assert "private" in await refusal(host)
    assert "private" in await refusal(host, loopback=True)
    assert await policy(private=True).check(host, 443)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "0xA9FEA9FE",
        "2852039166",
        "[::ffff:169.254.169.254]",
        "64:ff9b::a9fe:a9fe",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "169.254.1.1",
        "fe80::1",
        "0.0.0.0",  # noqa: S104
        "0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "240.0.0.1",
        "192.0.2.1",
        "2001:db8::1",
    ],
)
async def test_metadata_services_and_addresses_of_nobody_are_refused_whatever_is_allowed(host: str) -> None:
    assert await refusal(host, loopback=True, private=True)


async def test_public_addresses_are_allowed() -> None:
    assert await policy().check("8.8.8.8", 443) == ("8.8.8.8",)
    assert await policy().check("2606:4700:4700::1111", 443) == ("2606:4700:4700::1111",)


async def test_a_name_is_judged_by_its_addresses_and_answers_them() -> None:
    names = policy(warehouse_example_com=["52.1.2.3", "52.1.2.4"])
    assert await names.check("warehouse.example.com", 443) == ("52.1.2.3", "52.1.2.4")
    assert await names.check("warehouse.example.com.", 443) == ("52.1.2.3", "52.1.2.4")


async def test_one_inner_address_among_outer_ones_spoils_the_name() -> None:
    assert "private" in await refusal("rebinding.example.com", rebinding_example_com=["52.1.2.3", "10.0.0.1"])


async def test_a_refusal_does_not_tell_the_address_behind_a_name() -> None:
    assert "10.1.2.3" not in await refusal("inner.example.com", inner_example_com=["10.1.2.3"])


async def test_a_scoped_address_of_a_name_is_judged_without_its_scope() -> None:
    assert "link-local" in await refusal("local.example.com", local_example_com=["fe80::1%eth0"])


async def test_a_name_without_address_says_so() -> None:
    with pytest.raises(HostNotFound, match=r"'nowhere\.example\.com' cannot be resolved"):
        await policy().check("nowhere.example.com", 443)
    with pytest.raises(HostNotFound):
        await policy(empty_example_com=[]).check("empty.example.com", 443)


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        "127.0.0.1 evil",
        "user@127.0.0.1",
        "http://example.com",
        "example.com/path",
        "example.com:443",
        "example.com#",
        "fe80::1%eth0",
        "exa mple.com",
        "exa\nmple.com",
        "example.com\0.org",
        "\uff11\uff12\uff17.0.0.1",
        "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
        "127\u30020\u30020\u30021",
        "-example.com",
        "a" * 10_000,
        "..",
        "[::1",
    ],
)
async def test_what_is_no_host_is_refused_before_anything_resolves_it(host: str) -> None:
    asked: list[str] = []

    async def resolve(name: str, port: int) -> Sequence[str]:
        asked.append(name)
        return ["8.8.8.8"]

    with pytest.raises(EgressDenied):
        await EgressPolicy(resolver=resolve).check(host, 443)
    assert asked == []


@pytest.mark.parametrize("port", [0, -1, 65536])
async def test_a_port_outside_of_tcp_is_refused(port: int) -> None:
    assert "port from 1 to 65535" in await refusal("8.8.8.8", port)

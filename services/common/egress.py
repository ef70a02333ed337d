"""The egress policy: which addresses a tenant may make the platform connect to.

Names are resolved here and every address is judged, so a name cannot hide one; numbers are judged in every spelling that a
resolver would take (`2130706433`, `0x7f.1`, `0177.0.0.1`, `::ffff:127.0.0.1`). A name can resolve to something else a moment
later (DNS rebinding): connect to one of the addresses that `check` answers, with the name for TLS and `Host`, wherever the
client library allows it; where it does not, check right before each connect, which leaves only the time in between.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from services.common.errors import EgressDenied, HostNotFound

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Answers the addresses of a name. Raises OSError when it has none."""

_RESOLVE_SECONDS = 5.0
# A name or an address, nothing that a resolver or a driver could read as more than that (user@, /path, zone %eth0).
_HOST = re.compile(r"(?=.{1,253}\.?$)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|\[?[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*\]?")
# Cloud metadata services that neither loopback nor link-local rules catch: AWS over IPv6, Alibaba, Azure, Oracle.
_METADATA = frozenset(
    ipaddress.ip_address(text) for text in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
)
_SHARED = ipaddress.ip_network("100.64.0.0/10")
_UNIQUE_LOCAL = ipaddress.ip_network("fc00::/7")
_PRIVATE_V4 = tuple(ipaddress.ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_V4_COMPATIBLE = ipaddress.ip_network("::/96")


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of `host` as the system knows them. Raises OSError when it has none or nothing answers in five seconds."""
    async with asyncio.timeout(_RESOLVE_SECONDS):  # TimeoutError is an OSError
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What the operator allows. Public addresses always are; cloud metadata, multicast and the like never are."""

    allow_loopback: bool = False
    allow_private: bool = False
    resolver: Resolver = resolve

    async def check(self, host: str, port: int, *, field: str = "host") -> tuple[str, ...]:
        """The addresses of `host`, when all of them are allowed: one that is not spoils the rest, for a client may pick any.

        `field` names the field of the request that holds the host, for the error. Raises EgressDenied, or HostNotFound when
        the name has no address.
        """
        name = _host_name(host, field)
        if not 1 <= port <= 65535:
            raise EgressDenied(field, "needs a port from 1 to 65535")
        written = _numeric(name)
        addresses = [written] if written is not None else await self._resolve(name, port, field)
        for address in addresses:
            self._judge(address, field)
        return tuple(str(address) for address in addresses)

    async def _resolve(self, name: str, port: int, field: str) -> list[Address]:
        try:
            found = [ipaddress.ip_address(text.partition("%")[0]) for text in await self.resolver(name, port)]
        except (OSError, ValueError) as error:
            raise HostNotFound(field, f"{name!r} cannot be resolved to an address") from error
        if not found:
            raise HostNotFound(field, f"{name!r} cannot be resolved to an address")
        return found

    def _judge(self, address: Address, field: str) -> None:
        for inner in (address, *_embedded(address)):
            kind = self._refused_as(inner)
            if kind:
                raise EgressDenied(field, f"leads to {kind} address, which the operator's egress policy does not allow")

    def _refused_as(self, address: Address) -> str:
        """The kind of address, with its article, when the policy refuses it; else empty."""
        if address in _METADATA:
            return "a cloud metadata"
        if address.is_loopback:
            return "" if self.allow_loopback else "a loopback"
        if address.is_link_local:
            return "a link-local"
        if _is_private(address):
            return "" if self.allow_private else "a private"
        if address.is_unspecified or address.is_multicast or not _is_global(address):
            return "a reserved"
        return ""


def _host_name(host: str, field: str) -> str:
    if not _HOST.fullmatch(host):
        raise EgressDenied(field, "must be a host name (in ASCII, punycode where needed) or an IP address, without scheme, user or path")
    return host.removeprefix("[").removesuffix("]").rstrip(".")


def _numeric(name: str) -> Address | None:
    """The address that a number stands for, in any spelling that the system's resolver takes; None for a name."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(name))
    except OSError:
        return None


def _embedded(address: Address) -> list[Address]:
    """The IPv4 addresses that packets to an IPv6 address may end up at."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or (address in _V4_COMPATIBLE and int(address) > 1):
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [inner for inner in found if inner is not None]


def _is_private(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        return address in _UNIQUE_LOCAL
    return address in _SHARED or any(address in network for network in _PRIVATE_V4)


def _is_global(address: Address) -> bool:
    # What is embedded in these is judged by itself; Python calls the wrappers themselves not global.
    if isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped or address in _NAT64 or address in _V4_COMPATIBLE):
        return not address.is_unspecified
    return address.is_global

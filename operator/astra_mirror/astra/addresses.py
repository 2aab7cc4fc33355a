"""Refuses, at connect time, addresses that no Astra Control has: loopback, link-local and cloud metadata services.

A check of the URL cannot do that, because a name may resolve to something else the next time it is asked (DNS
rebinding). An entry of --allowed-url that names the very host lifts the refusal for it.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from astra_mirror.core.urls import AllowedURL

# Metadata services outside the link-local ranges: EC2 over IPv6, Alibaba Cloud, Azure, Oracle Cloud.
_METADATA: Final = frozenset(map(ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")))
_NAT64: Final = "64:ff9b::"


class AddressRefusedError(OSError):
    """A name resolves to nothing but addresses that may not be called."""


def is_refused(address: str) -> bool:
    """Whether `address`, an IP literal, is one that may not be called."""
    ip = _embedded(ip_address(address.partition("%")[0]))
    return ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast or ip in _METADATA


def _embedded(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip.packed[:12] == ip_address(_NAT64).packed[:12]:
        return IPv4Address(ip.packed[12:])
    return ip.ipv4_mapped or ip.sixtofour or ip


class GuardedResolver(AbstractResolver):
    """The system's resolver, without the addresses that may not be called."""

    def __init__(self, allowed: Sequence[AllowedURL], resolver: AbstractResolver | None = None) -> None:
        self._allowed = allowed
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host` that may be called.

        Raises:
            AddressRefusedError: it has others only.
            OSError: it has none.
        """
        found = await self._resolver.resolve(host, port, family)
        if any(entry.names(host) for entry in self._allowed):
            return found
        usable = [each for each in found if not is_refused(each["host"])]
        if found and not usable:
            raise AddressRefusedError(
                f"{host} resolves to {found[0]['host']}, a loopback, link-local or metadata address; an entry of "
                "--allowed-url that names the host itself would allow it"
            )
        return usable

    async def close(self) -> None:
        """Close the resolver underneath."""
        await self._resolver.close()

"""Refuses to connect to addresses that no Astra Control has: loopback, link-local and cloud metadata services.

The check is made when a name is resolved for a connection. A check of the URL would not do, because a name may resolve
to another address the next time (DNS rebinding). The check does not apply to a host that --allowed-url names exactly.
"""

import socket
from collections.abc import Container, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from astra_mirror.core.urls import AllowedURL

_METADATA: Final = (
    # Metadata services outside the link-local ranges: EC2 and EKS over IPv6, Google Cloud over IPv6, Alibaba Cloud,
    # Azure, Oracle Cloud.
    *map(ip_network, ("fd00:ec2::/32", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")),
    # Site-local addresses, deprecated by RFC 3879.
    ip_network("fec0::/10"),
)
# IPv6 addresses whose last 32 bits are an IPv4 address: NAT64 (RFC 6052, 8215), IPv4-translated, IPv4-compatible.
_EMBEDDING: Final = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96")))


_ADVICE: Final = (
    "its host resolves to no address that the operator may call. Loopback, link-local and metadata addresses are "
    "refused unless the operator's administrator names the host itself in --allowed-url"
)


class AddressRefusedError(OSError):
    """A name resolves only to addresses that the operator refuses."""


def is_refused(address: str) -> bool:
    """Whether the operator refuses to connect to `address`, an IP literal."""
    literal = ip_address(address.partition("%")[0])
    return any(
        ip.is_loopback
        or ip.is_link_local
        or ip.is_unspecified
        or ip.is_multicast
        or any(ip in net for net in _METADATA)
        for ip in (literal, _embedded(literal))
    )


def _embedded(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address embeds; any other address itself."""
    if isinstance(ip, IPv4Address):
        return ip
    if any(ip in network for network in _EMBEDDING):
        return IPv4Address(ip.packed[12:])
    return ip.ipv4_mapped or ip.sixtofour or ip


class FilteringResolver(AbstractResolver):
    """A resolver that leaves out the refused addresses.

    Args:
        allowed: the administrator's --allowed-url.
        resolver: the resolver underneath.
        exempt: hosts of the administrator's own, any address of which is called.
    """

    def __init__(
        self, allowed: Sequence[AllowedURL], resolver: AbstractResolver, exempt: Container[str] = frozenset()
    ) -> None:
        self._allowed = allowed
        self._resolver = resolver
        self._exempt = exempt

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host` that are not refused. No error message names the refused addresses.

        Raises:
            AddressRefusedError: all its addresses are refused.
            OSError: it has no address.
        """
        found = await self._resolver.resolve(host, port, family)
        if host in self._exempt or any(entry.names(host) for entry in self._allowed):
            return found
        usable = [each for each in found if not is_refused(each["host"])]
        if found and not usable:
            raise AddressRefusedError(_ADVICE)
        return usable

    async def close(self) -> None:
        """Close the resolver underneath."""
        await self._resolver.close()

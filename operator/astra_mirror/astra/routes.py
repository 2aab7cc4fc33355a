"""How a host is reached: directly, with refused addresses left out, or through a proxy, which looks the name up itself.

The two kinds of connections have a resolver each. A proxy often has an address that a Secret's host may not have, such
as that of a sidecar, so its own name is exempt from the check; on a direct connection the same name is not.
"""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from astra_mirror.astra.addresses import AddressRefusedError, FilteringResolver
from astra_mirror.astra.sockets import Connector
from astra_mirror.core.egress import Egress, Proxy
from astra_mirror.core.urls import AllowedURL, BaseURL

if TYPE_CHECKING:
    from aiohttp.client import ClientTimeout
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

CONNECT_SECONDS: Final = 5.0
"""The time-out for a connection, TLS and a proxy's tunnel included: shorter than that of a request, because a host that
is up connects soon."""
_ADVICE: Final = (
    "its host is an address or localhost, which the operator calls only if its administrator names that very host in "
    "--allowed-url"
)


class ProxyError(aiohttp.ClientError):
    """The proxy could not be used: why is among the causes, unless it responded.

    aiohttp's errors are not passed on: they contain the headers of the request for a tunnel, with the password in them.

    Attributes:
        status: the status code of its response; None without one.
    """

    def __init__(self, status: int | None = None) -> None:
        super().__init__(status)
        self.status = status


class Routes:
    """Which proxy a URL is reached through, and the resolvers of both kinds of connections.

    Args:
        allowed: the administrator's --allowed-url.
        egress: --proxy-url and --no-proxy.
        lookups: looks up host names.
    """

    def __init__(self, allowed: Sequence[AllowedURL], egress: Egress, lookups: AbstractResolver) -> None:
        self._allowed = allowed
        self._egress = egress
        self._lookups = lookups
        self._urls = {proxy: URL(proxy.url) for proxy in egress.proxies}
        self.direct = FilteringResolver(allowed, lookups)
        """For connections to the hosts themselves."""
        hosts = frozenset(url.raw_host or "" for url in self._urls.values())
        self.proxied = FilteringResolver(allowed, lookups, exempt=hosts) if hosts else None
        """For connections to the proxies; None without any."""

    def proxy_for(self, url: BaseURL) -> Proxy | None:
        """The proxy that a request to this URL goes through; None for a direct connection.

        Raises:
            AddressRefusedError: the proxy would be asked for an address or localhost, which no entry names.
        """
        proxy = self._egress.proxy_for(url)
        if proxy is None or not _needs_no_lookup(url.host) or any(entry.names(url.host) for entry in self._allowed):
            return proxy
        raise AddressRefusedError(_ADVICE)

    @property
    def secrets(self) -> Sequence[str]:
        """The proxies' passwords, as they are and as they are sent."""
        return self._egress.secrets

    def is_proxied(self, url: BaseURL) -> bool:
        """Whether requests to this URL go through a proxy."""
        return self._egress.proxy_for(url) is not None

    def url_of(self, proxy: Proxy) -> URL:
        """The URL of a proxy, for aiohttp."""
        return self._urls[proxy]

    async def close(self) -> None:
        """Cancel everything that waits for a look-up."""
        await self._lookups.close()


class ProxiedConnector(Connector):
    """Creates connections through a proxy. What fails on the way to the proxy, or in it, is a ProxyError."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: "list[Trace]",
        timeout: "ClientTimeout",  # noqa: ASYNC109 - aiohttp's
    ) -> "Connection":
        """A connection for a request: one from the pool, or a new one."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await super().connect(req, traces, timeout)
        except aiohttp.ClientHttpProxyError as error:
            raise ProxyError(error.status) from None
        except (aiohttp.ClientProxyConnectionError, aiohttp.ClientConnectorDNSError):
            raise ProxyError from None
        except aiohttp.ClientConnectorError:
            # Within the tunnel: the TLS handshake with the server.
            raise
        except (aiohttp.ClientError, OSError):
            raise ProxyError from None


def _needs_no_lookup(host: str) -> bool:
    """Whether it is known without a look-up where this leads: to an address, or to the machine of whoever connects."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return bool(ip_address(host))
    except ValueError:
        return False

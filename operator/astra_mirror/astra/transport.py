"""HTTP clients for the remote side: one for each set of TLS settings, shared by all connections that have it.

A client for each connection would cost a TLS context for each tenant. The tenants share no cookies, because the cookie
jar stores none, and no headers, because the token is part of each request.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Container, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import aiohttp
from yarl import URL

from astra_mirror import USER_AGENT
from astra_mirror.astra.addresses import FilteringResolver
from astra_mirror.astra.sockets import Connector
from astra_mirror.astra.tls import certificate_error, lacks_issuer, ssl_context, trust_public_authorities
from astra_mirror.core.connection import TLS
from astra_mirror.core.contexts import ContextCache
from astra_mirror.core.urls import AllowedURL, BaseURL
from astra_mirror.support.slots import Slots

_KEEPALIVE_SECONDS: Final = 4.0
"""Less than the five seconds of many servers. A request on a connection that the server is just closing is lost, and
aiohttp retries it only once."""
_READ_BUFFER: Final = 16 * 1024
"""Bytes that aiohttp buffers, up to twice this, before it stops reading from the socket. A body that waits for memory
(core/body_memory.py) must not use much memory meanwhile."""
CONNECT_SECONDS: Final = 5.0
"""The time-out for TCP and TLS: shorter than that of a request, because a host that is up connects soon."""
_HEADERS: Final = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "gzip"}


class _RequestInfo(aiohttp.RequestInfo):
    """A request as aiohttp's errors quote it: without its headers, which contain the token."""

    def __repr__(self) -> str:
        return f"{self.method} {self.real_url}"


class _Request(aiohttp.ClientRequest):
    @property
    def request_info(self) -> aiohttp.RequestInfo:
        """What errors quote of the request."""
        return _RequestInfo(*super().request_info)


def _session(context: ssl.SSLContext, resolver: FilteringResolver) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=Connector(context, resolver, _KEEPALIVE_SECONDS),
        headers=_HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        request_class=_Request,
        read_bufsize=_READ_BUFFER,
        # Reservation decompresses, in chunks of bounded size.
        auto_decompress=False,
        # AstraClient limits the whole exchange.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        # No proxy of the environment, and no password of a netrc file.
        trust_env=False,
    )


@lru_cache(maxsize=64)
def _parsed(url: BaseURL) -> URL:
    """The URL for aiohttp: to parse it takes ten times as long as to add a path."""
    try:
        return URL(str(url))
    except ValueError as error:
        raise aiohttp.InvalidURL(str(url)) from error


def header(response: aiohttp.ClientResponse, name: str, default: str = "") -> str:
    """The value of a header; where it is repeated, all values as one (RFC 9110, 5.3)."""
    return ", ".join(response.headers.getall(name, (default,)))


class Client:
    """Sends requests over one session.

    With `trusts_ca_only`, the context trusts ca.crt alone until a certificate needs the public authorities, and both
    from then on.
    """

    def __init__(self, context: ssl.SSLContext, resolver: FilteringResolver, *, trusts_ca_only: bool) -> None:
        self.is_closed = False
        self._context = context
        self._session = _session(context, resolver)
        self._trusts_ca_only = trusts_ca_only
        self._lock = asyncio.Lock()

    async def get(self, url: BaseURL, path: str, token: str) -> aiohttp.ClientResponse:
        """Send a GET. The token is sent only after the certificate has been verified.

        Returns as soon as the headers of the response have arrived. The caller reads the body, and releases the
        response: one whose body was not read to its end costs its connection.

        Raises:
            aiohttp.ClientError: no response has arrived, or the URL cannot be parsed.
        """
        # As it is now: another request may load the public authorities while this one fails without them.
        trusts_ca_only = self._trusts_ca_only
        try:
            return await self._send(url, path, token)
        except aiohttp.ClientError as error:
            found = certificate_error(error)
            if not trusts_ca_only or found is None or not lacks_issuer(found):
                raise
        async with self._lock:
            if self._trusts_ca_only:
                await asyncio.to_thread(trust_public_authorities, self._context)
                self._trusts_ca_only = False
        return await self._send(url, path, token)

    async def _send(self, url: BaseURL, path: str, token: str) -> aiohttp.ClientResponse:
        headers = {"Authorization": f"Bearer {token}"}
        return await self._session.get(_parsed(url).with_path(path), headers=headers, allow_redirects=False)

    async def close(self) -> None:
        """Close its connections, even if it has requests under way."""
        self.is_closed = True
        await self._session.close()


@dataclass(slots=True, eq=False)
class _Entry:
    client: Client
    users: int = 0
    is_retired: bool = False


class ClientPool:
    """The HTTP clients: created when first needed, and closed, after their requests, when there are too many.

    Args:
        allowed: the administrator's --allowed-url.
        resolver: resolves host names; one that `allowed` restricts when left out.
    """

    def __init__(self, allowed: Sequence[AllowedURL], resolver: FilteringResolver | None = None) -> None:
        self._resolver = resolver or FilteringResolver(allowed)
        self._contexts: ContextCache[TLS] = ContextCache()
        self._entries: dict[TLS, _Entry] = {}
        self._creating = Slots(1)

    def __len__(self) -> int:
        return len(self._entries)

    @asynccontextmanager
    async def use(self, tls: TLS, namespace: str = "") -> AsyncIterator[Client]:
        """The client with these TLS settings, for a request of `namespace`; it stays open until the context ends."""
        entry = await self._get_entry(tls, namespace)
        entry.users += 1
        try:
            yield entry.client
        finally:
            entry.users -= 1
            if entry.is_retired and not entry.users:
                await entry.client.close()

    async def _get_entry(self, tls: TLS, namespace: str) -> _Entry:
        await self._retire(self._contexts.use(tls, namespace, is_common=tls.ca is None))
        if tls not in self._entries:
            async with self._creating.take(namespace):
                if tls not in self._entries:
                    # In a thread, because it takes milliseconds.
                    context = await asyncio.to_thread(ssl_context, tls)
                    trusts_ca_only = tls.verify and tls.ca is not None
                    entry = _Entry(Client(context, self._resolver, trusts_ca_only=trusts_ca_only))
                    if tls not in self._contexts:
                        # The settings were evicted while the context was created: use it for this request only.
                        entry.is_retired = True
                        return entry
                    self._entries[tls] = entry
        return self._entries[tls]

    async def _retire(self, evicted: Sequence[TLS]) -> None:
        retired = [self._entries.pop(tls) for tls in evicted if tls in self._entries]
        for entry in retired:
            entry.is_retired = True
        for entry in retired:
            if not entry.users:
                await entry.client.close()

    async def retain(self, used: Container[TLS]) -> None:
        """Close the clients whose TLS settings are not in `used`."""
        await self._retire(self._contexts.retain(used))

    async def close(self) -> None:
        """Close every client, even if it has requests under way."""
        for entry in self._entries.values():
            await entry.client.close()
        self._entries.clear()
        await self._resolver.close()

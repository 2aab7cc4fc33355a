"""HTTP clients for the remote side: one for each set of TLS settings, shared by all connections that have it.

A client for each connection would cost a TLS context for each tenant. The tenants share no cookies, because the cookie
jar stores none, and no headers, because the token is part of each request.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Container, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from astra_mirror import USER_AGENT
from astra_mirror.astra.addresses import FilteringResolver
from astra_mirror.astra.tls import certificate_error, lacks_issuer, ssl_context, trust_public_authorities
from astra_mirror.core.connection import TLS
from astra_mirror.core.contexts import ContextCache
from astra_mirror.core.urls import AllowedURL
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
# AstraClient limits the whole exchange, which none of these time-outs does.
_EXTENSIONS: Final = {"timeout": httpx.Timeout(None, connect=CONNECT_SECONDS).as_dict()}


class _Response(aiohttp.ClientResponse):
    """A response without its reason phrase, which nobody reads, and which may be in any character set."""

    async def start(self, connection: Any) -> "_Response":  # noqa: ANN401 - aiohttp's type is private
        """Read the status line and the headers."""
        await super().start(connection)
        self.reason = ""
        return self


class _Transport(AiohttpTransport):
    """A transport that trusts only ca.crt until a certificate needs the public authorities, and both from then on."""

    def __init__(self, context: ssl.SSLContext, resolver: FilteringResolver, *, trusts_ca_only: bool) -> None:
        # `_session` must not refer to the transport: a reference cycle would keep the context until the next garbage
        # collection.
        super().__init__(verify=context, client=partial(_session, context, resolver))
        self._context = context
        self._trusts_ca_only = trusts_ca_only
        self._lock = asyncio.Lock()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. The token is sent only after the certificate has been verified."""
        try:
            return await super().handle_async_request(request)
        except httpx.HTTPError as error:
            found = certificate_error(error)
            if not self._trusts_ca_only or found is None or not lacks_issuer(found):
                raise
        async with self._lock:
            if self._trusts_ca_only:
                await asyncio.to_thread(trust_public_authorities, self._context)
                self._trusts_ca_only = False
        return await super().handle_async_request(request)


def _session(context: ssl.SSLContext, resolver: FilteringResolver) -> aiohttp.ClientSession:
    # No limit here: requests wait in the connection queue, where waiting is cheap and fair.
    connector = aiohttp.TCPConnector(
        ssl=context,
        limit=0,
        resolver=resolver,
        # The resolver has a cache. With aiohttp's cache, the second request for a name would wait for the look-up of
        # the first one, which may be of another namespace.
        use_dns_cache=False,
        keepalive_timeout=_KEEPALIVE_SECONDS,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        response_class=_Response,
        read_bufsize=_READ_BUFFER,
    )


class Client:
    """Sends requests over one transport.

    httpx.AsyncClient would merge headers, parameters and URLs, and look for cookies, redirects and credentials, none of
    which is wanted here: a third of what a request costs; docs/performance.md has the measurement.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self.is_closed = False
        self._transport = transport

    async def get(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        """Send a GET. Returns as soon as the headers of the response have arrived; the caller closes the response.

        Raises:
            httpx.InvalidURL: the URL cannot be parsed.
            httpx.HTTPError: no response has arrived.
        """
        request = httpx.Request("GET", url, headers={**_HEADERS, **headers}, extensions=_EXTENSIONS)
        return await self._transport.handle_async_request(request)

    async def close(self) -> None:
        """Close its connections, even if it has requests under way."""
        self.is_closed = True
        await self._transport.aclose()


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
                    entry = _Entry(self._new_client(tls, context))
                    if tls not in self._contexts:
                        # The settings were evicted while the context was created: use it for this request only.
                        entry.is_retired = True
                        return entry
                    self._entries[tls] = entry
        return self._entries[tls]

    def _new_client(self, tls: TLS, context: ssl.SSLContext) -> Client:
        return Client(_Transport(context, self._resolver, trusts_ca_only=tls.verify and tls.ca is not None))

    async def _retire(self, evicted: Sequence[TLS]) -> None:
        for entry in [self._entries.pop(tls) for tls in evicted if tls in self._entries]:
            entry.is_retired = True
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

"""HTTP clients for the remote side: one for each way of judging certificates, shared by all connections that do so.

A client for each connection would cost a TLS context for each tenant. Tenants share neither cookies nor headers: the
jars take nothing, and the token travels with the single request.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Container, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from astra_mirror import USER_AGENT
from astra_mirror.astra.addresses import GuardedResolver
from astra_mirror.astra.tls import certificate_error, lacks_issuer, ssl_context, widen
from astra_mirror.core.connection import TLS
from astra_mirror.core.contexts import Contexts
from astra_mirror.core.urls import AllowedURL
from astra_mirror.support.slots import Slots

_KEEPALIVE_SECONDS: Final = 4.0
"""Less than the five of many servers: a request on a connection that the server is just closing is lost, and aiohttp
makes up for one such loss, not for two."""
_READ_BUFFER: Final = 16 * 1024
"""Bytes of a body that a socket may deliver before reading pauses, or about twice that: a body that waits for room
in memory (core.room) is not to take much of it meanwhile."""
CONNECT_SECONDS: Final = 5.0
"""For TCP and TLS: a host that swallows every packet need not be waited for as long as one that computes."""


class _Response(aiohttp.ClientResponse):
    """One without a reason phrase: proxies write it in any language and character set, and httpx would log it."""

    async def start(self, connection: Any) -> "_Response":  # noqa: ANN401 - aiohttp's type is private
        """Read the status line and the headers."""
        await super().start(connection)
        self.reason = ""
        return self


class _Transport(AiohttpTransport):
    """One that trusts the usual authorities from the first certificate on that needs them, beside those of ca.crt."""

    def __init__(self, context: ssl.SSLContext, resolver: GuardedResolver, *, is_narrow: bool) -> None:
        # Nothing of the transport in it: a circle would keep the context until the garbage collector comes by.
        super().__init__(verify=context, client=partial(_session, context, resolver))
        self._context = context
        self._is_narrow = is_narrow
        self._widening = asyncio.Lock()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, whose token leaves this process when the certificate has been believed, and not before."""
        try:
            return await super().handle_async_request(request)
        except httpx.HTTPError as error:
            found = certificate_error(error)
            if not self._is_narrow or found is None or not lacks_issuer(found):
                raise
        async with self._widening:
            if self._is_narrow:
                await asyncio.to_thread(widen, self._context)
                self._is_narrow = False
        return await super().handle_async_request(request)


def _session(context: ssl.SSLContext, resolver: GuardedResolver) -> aiohttp.ClientSession:
    # No limit here: requests wait in their connection's queue, where waiting is cheap and fair.
    connector = aiohttp.TCPConnector(
        ssl=context,
        limit=0,
        resolver=resolver,
        # The resolver keeps answers itself. In a cache of aiohttp's, who asks second would wait for the first one's
        # turn, whatever namespace that is of.
        use_dns_cache=False,
        keepalive_timeout=_KEEPALIVE_SECONDS,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        response_class=_Response,
        read_bufsize=_READ_BUFFER,
    )


@dataclass(slots=True, eq=False)
class _Entry:
    client: httpx.AsyncClient
    users: int = 0
    is_retired: bool = False


class Clients:
    """The HTTP clients, made when first needed and closed when they are too many, after their requests.

    Args:
        allowed: the administrator's --allowed-url.
        resolver: looks names up; the system's, guarded by `allowed`, when left out.
    """

    def __init__(self, allowed: Sequence[AllowedURL], resolver: GuardedResolver | None = None) -> None:
        self._resolver = resolver or GuardedResolver(allowed)
        self._contexts: Contexts[TLS] = Contexts()
        self._entries: dict[TLS, _Entry] = {}
        self._making = Slots(1)

    def __len__(self) -> int:
        return len(self._entries)

    @asynccontextmanager
    async def use(self, tls: TLS, namespace: str = "") -> AsyncIterator[httpx.AsyncClient]:
        """The client that judges certificates as `tls` says, for a request for `namespace`. It is open for so long."""
        entry = await self._entry(tls, namespace)
        entry.users += 1
        try:
            yield entry.client
        finally:
            entry.users -= 1
            if entry.is_retired and not entry.users:
                await entry.client.aclose()

    async def _entry(self, tls: TLS, namespace: str) -> _Entry:
        await self._retire(self._contexts.use(tls, namespace, is_common=tls.ca is None))
        if tls not in self._entries:
            async with self._making.take(namespace):
                if tls not in self._entries:
                    # It costs milliseconds, of which each tenant may cause some.
                    context = await asyncio.to_thread(ssl_context, tls)
                    entry = _Entry(self._new_client(tls, context))
                    if tls not in self._contexts:
                        # It has had to go while it was made: it serves this one request.
                        entry.is_retired = True
                        return entry
                    self._entries[tls] = entry
        return self._entries[tls]

    def _new_client(self, tls: TLS, context: ssl.SSLContext) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=_Transport(context, self._resolver, is_narrow=tls.verify and tls.ca is not None),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"},
            # AstraClient bounds the whole exchange, which none of these limits does.
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            # httpx keeps a jar of its own beside the session's.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
        )

    async def _retire(self, evicted: Sequence[TLS]) -> None:
        for entry in [self._entries.pop(tls) for tls in evicted if tls in self._entries]:
            entry.is_retired = True
            if not entry.users:
                await entry.client.aclose()

    async def retain(self, used: Container[TLS]) -> None:
        """Close the clients of all others."""
        await self._retire(self._contexts.retain(used))

    async def close(self) -> None:
        """Close every client, also in the middle of a request."""
        for entry in self._entries.values():
            await entry.client.aclose()
        self._entries.clear()
        await self._resolver.close()

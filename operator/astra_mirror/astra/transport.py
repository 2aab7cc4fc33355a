"""HTTP clients for the remote side: one for each way of judging certificates, shared by all connections that do so.

A client for each connection would cost a TLS context of several hundred kilobytes for each tenant. Tenants share
neither cookies nor headers: the jars take nothing, and the token travels with the single request.
"""

import asyncio
import ssl
from collections.abc import Container, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import aiohttp
import certifi
import httpx
from httpx_aiohttp import AiohttpTransport

from astra_mirror import __version__
from astra_mirror.astra.addresses import GuardedResolver
from astra_mirror.core.connection import TLS
from astra_mirror.core.urls import AllowedURL

_KEEPALIVE_SECONDS: Final = 4.0
"""Less than the five of many servers: a request on a connection that the server is just closing is lost, and aiohttp
makes up for one such loss, not for two."""
CONNECT_SECONDS: Final = 5.0
"""For TCP and TLS: a host that swallows every packet need not be waited for as long as one that computes."""


def ssl_context(tls: TLS) -> ssl.SSLContext:
    """The context for `tls`: the usual authorities and, where given, `ca` beside them."""
    context = ssl.create_default_context(cafile=certifi.where())
    if tls.ca is not None:
        context.load_verify_locations(cadata=tls.ca)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class _Response(aiohttp.ClientResponse):
    """One whose reason phrase can be encoded: proxies write it in any language and character set."""

    async def start(self, connection: Any) -> "_Response":  # noqa: ANN401 - aiohttp's type is private
        """Read the status line and the headers."""
        await super().start(connection)
        self.reason = (self.reason or "").encode(errors="replace").decode()
        return self


class Clients:
    """The HTTP clients, made when first needed."""

    def __init__(self, allowed: Sequence[AllowedURL]) -> None:
        self._allowed = allowed
        self._clients: dict[TLS, httpx.AsyncClient] = {}
        self._making = asyncio.Lock()

    async def client_for(self, tls: TLS) -> httpx.AsyncClient:
        """The client that judges certificates as `tls` says."""
        if tls not in self._clients:
            async with self._making:
                if tls not in self._clients:
                    # To read the usual authorities takes some 30 ms, and each tenant may have others beside them.
                    context = await asyncio.to_thread(ssl_context, tls)
                    self._clients[tls] = self._new_client(context)
        return self._clients[tls]

    def _new_client(self, context: ssl.SSLContext) -> httpx.AsyncClient:
        def session() -> aiohttp.ClientSession:
            # No limit here: requests wait in their connection's lane, where waiting is cheap and fair.
            connector = aiohttp.TCPConnector(
                ssl=context,
                limit=0,
                resolver=GuardedResolver(self._allowed),
                keepalive_timeout=_KEEPALIVE_SECONDS,
            )
            return aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), response_class=_Response
            )

        return httpx.AsyncClient(
            transport=AiohttpTransport(verify=context, client=session),
            headers={"User-Agent": f"astra-mirror/{__version__}", "Accept-Encoding": "gzip"},
            # AstraClient bounds the whole exchange, which none of these limits does.
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            # httpx keeps a jar of its own beside the session's.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
        )

    async def retain(self, used: Container[TLS]) -> None:
        """Close the clients of all others: each has a TLS context of several hundred kilobytes."""
        for client in [self._clients.pop(tls) for tls in list(self._clients) if tls not in used]:
            await client.aclose()

    async def close(self) -> None:
        """Close every client."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

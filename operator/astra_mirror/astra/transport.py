"""HTTP clients for the remote side: one for each way of judging certificates, shared by all connections that do so.

A client for each connection would cost a TLS context of several hundred kilobytes for each tenant. Tenants share
neither cookies nor headers: the jars take nothing, and the token travels with the single request.
"""

import ssl
from collections.abc import Container, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy

import aiohttp
import certifi
import httpx
from httpx_aiohttp import AiohttpTransport

from astra_mirror import __version__
from astra_mirror.astra.addresses import GuardedResolver
from astra_mirror.core.connection import TLS
from astra_mirror.core.urls import AllowedURL

_KEEPALIVE_SECONDS = 60.0


def ssl_context(tls: TLS) -> ssl.SSLContext:
    """The context for `tls`: the usual authorities and, where given, `ca` beside them."""
    context = ssl.create_default_context(cafile=certifi.where())
    if tls.ca is not None:
        context.load_verify_locations(cadata=tls.ca)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Clients:
    """The HTTP clients, made when first needed."""

    def __init__(self, allowed: Sequence[AllowedURL]) -> None:
        self._allowed = allowed
        self._clients: dict[TLS, httpx.AsyncClient] = {}

    def client_for(self, tls: TLS) -> httpx.AsyncClient:
        """The client that judges certificates as `tls` says."""
        client = self._clients.get(tls)
        if client is None:
            client = self._clients[tls] = self._new_client(ssl_context(tls))
        return client

    def _new_client(self, context: ssl.SSLContext) -> httpx.AsyncClient:
        def session() -> aiohttp.ClientSession:
            # No limit here: requests wait in their connection's lane, where waiting is cheap and fair.
            connector = aiohttp.TCPConnector(
                ssl=context,
                limit=0,
                resolver=GuardedResolver(self._allowed),
                keepalive_timeout=_KEEPALIVE_SECONDS,
            )
            return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

        return httpx.AsyncClient(
            transport=AiohttpTransport(verify=context, client=session),
            headers={"User-Agent": f"astra-mirror/{__version__}", "Accept-Encoding": "gzip"},
            timeout=None,  # noqa: S113 - AstraClient bounds the whole exchange, which none of httpx's limits does
            # httpx keeps a jar of its own beside the session's.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
        )

    async def retain(self, used: Container[TLS]) -> None:
        """Close the clients of all others: each has a TLS context of several hundred kilobytes."""
        for tls in [each for each in self._clients if each not in used]:
            await self._clients.pop(tls).aclose()

    async def close(self) -> None:
        """Close every client."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

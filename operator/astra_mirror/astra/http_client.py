"""Sends requests to Astra Control with one set of TLS settings, directly or through a proxy.

What aiohttp does by itself is switched off: cookies, redirects, decompression, the environment's proxies and passwords.
Where there is a proxy, a client has two sessions, because only connections that lead to the proxy may look its name up
without the check of addresses.
"""

import asyncio
import ssl
from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Final

import aiohttp
from yarl import URL

from astra_mirror import USER_AGENT
from astra_mirror.astra.routes import CONNECT_SECONDS, ProxiedConnector, ProxyError, Routes
from astra_mirror.astra.sockets import Connector
from astra_mirror.astra.tls import certificate_error, lacks_issuer, trust_usual_authorities
from astra_mirror.core.urls import BaseURL

_KEEPALIVE_SECONDS: Final = 4.0
"""Less than the five seconds of many servers. A request on a connection that the server is just closing is lost, and
aiohttp retries it only once."""
_READ_BUFFER: Final = 16 * 1024
"""Bytes that aiohttp buffers, up to twice this, before it stops reading from the socket. A body that waits for memory
(core/body_memory.py) must not use much memory meanwhile."""
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


def _session(connector: Connector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        headers=_HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        request_class=_Request,
        read_bufsize=_READ_BUFFER,
        # Reservation decompresses, in chunks of bounded size.
        auto_decompress=False,
        # AstraClient limits the whole exchange.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        # No proxy of the environment but by --proxy-url, and no password of a netrc file.
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
    """Sends requests over one session, and over another one through a proxy.

    With `trusts_ca_only`, the context trusts ca.crt alone until a certificate needs the usual authorities, and all from
    then on.

    Args:
        context: the TLS context.
        routes: which requests go through a proxy.
        trusts_ca_only: as above.
        also: the certificates of --ca-file.
    """

    def __init__(
        self, context: ssl.SSLContext, routes: Routes, *, trusts_ca_only: bool, also: Sequence[str] = ()
    ) -> None:
        self.is_closed = False
        self._context = context
        self._routes = routes
        self._sessions = {False: _session(Connector(context, routes.direct, _KEEPALIVE_SECONDS))}
        """By whether it is for requests through a proxy."""
        if routes.proxied is not None:
            self._sessions[True] = _session(ProxiedConnector(context, routes.proxied, _KEEPALIVE_SECONDS))
        self._trusts_ca_only = trusts_ca_only
        self._also = also
        self._lock = asyncio.Lock()

    async def get(self, url: BaseURL, path: str, token: str) -> aiohttp.ClientResponse:
        """Send a GET. The token is sent only after the certificate has been verified.

        Returns as soon as the headers of the response have arrived. The caller reads the body, and releases the
        response: one whose body was not read to its end costs its connection.

        Raises:
            aiohttp.ClientError: no response has arrived, or the URL cannot be parsed.
            AddressRefusedError: the host may not be called.
        """
        # As it is now: another request may load the usual authorities while this one fails without them.
        trusts_ca_only = self._trusts_ca_only
        try:
            return await self._send(url, path, token)
        except aiohttp.ClientError as error:
            found = certificate_error(error)
            if not trusts_ca_only or found is None or not lacks_issuer(found):
                raise
        async with self._lock:
            if self._trusts_ca_only:
                await asyncio.to_thread(trust_usual_authorities, self._context, self._also)
                self._trusts_ca_only = False
        return await self._send(url, path, token)

    async def _send(self, url: BaseURL, path: str, token: str) -> aiohttp.ClientResponse:
        headers, target = {"Authorization": f"Bearer {token}"}, _parsed(url).with_path(path)
        proxy = self._routes.proxy_for(url)
        session = self._sessions[proxy is not None]
        if proxy is None:
            return await session.get(target, headers=headers, allow_redirects=False)
        own = {} if proxy.authorization is None else {"Proxy-Authorization": proxy.authorization}
        is_tunnelled = url.scheme == "https"
        response = await session.get(
            target,
            headers=headers if is_tunnelled else headers | own,
            allow_redirects=False,
            proxy=self._routes.url_of(proxy),
            proxy_headers=own if is_tunnelled else None,
        )
        if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and not is_tunnelled:
            response.close()
            raise ProxyError(response.status)
        return response

    async def close(self) -> None:
        """Close its connections, even if it has requests under way."""
        self.is_closed = True
        for session in self._sessions.values():
            await session.close()

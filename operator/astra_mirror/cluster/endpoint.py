"""How the API server is reached: one decision about proxy, TLS, credentials and sockets, the same for every client.

The client library and Kopf both talk through aiohttp, and each would make these decisions in its own way. They get
sessions that are made here instead.
"""

import socket
import ssl
from typing import Final, Self

import aiohttp
from kubernetes.aio import client

from astra_mirror import USER_AGENT
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.credentials import Credentials
from astra_mirror.cluster.kubeconfig import ClusterConfig, ClusterConfigError, load_configuration

CONNECT_SECONDS: Final = 5.0
_SOCKET_OPTIONS: Final = {
    # A connection whose other end has gone without a word: by the first unanswered byte, or by an idle one's probes.
    "TCP_USER_TIMEOUT": 5_000,
    "TCP_KEEPIDLE": 10,
    "TCP_KEEPINTVL": 2,
    "TCP_KEEPCNT": 3,
}
_LINE_BYTES: Final = 2**21
"""What is buffered of an answer: the library reads events of a watch as lines, and a Secret may have a megabyte."""


class Endpoint:
    """The API server, as the configuration says it is reached."""

    def __init__(self, config: ClusterConfig) -> None:
        self.host = config.host.rstrip("/")
        self._proxy = config.proxy
        self._server_name = config.server_name
        self._tls = _tls_context(config)
        self._credentials = Credentials(config, load_configuration, self._renewed)
        self._own: aiohttp.ClientSession | None = None

    @classmethod
    async def found(cls) -> Self:
        """The one that the environment names.

        Raises:
            ClusterConfigError: no usable credentials.
        """
        config = await load_configuration()
        try:
            return cls(config)
        except OSError as error:
            raise ClusterConfigError(
                f"the certificates for the API server {config.host} are of no use: {error}"
            ) from error

    def session(self, *middlewares: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
        """A session of its own, for the caller to close; `middlewares` see what comes before the credentials."""
        return aiohttp.ClientSession(
            # Each watch holds a connection; with a limit they would leave none for anything else.
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls, socket_factory=kept_alive_socket),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT},
            middlewares=(*middlewares, self._credentials, self._named),
            proxy=self._proxy,
            read_bufsize=_LINE_BYTES,
            trust_env=False,
        )

    def api_client(self, availability: Availability) -> client.ApiClient:
        """The client library, with a session of ours."""
        configuration = client.Configuration()
        configuration.host, configuration.proxy = self.host, None
        api = client.ApiClient(configuration)
        api.user_agent = USER_AGENT
        api.rest_client.pool_manager = self.session(availability.notice)
        return api

    async def get(self, path: str, *, accept: str = "application/json", seconds: float) -> tuple[int, bytes]:
        """The status code and body of a GET, within `seconds`.

        Raises:
            aiohttp.ClientError, TimeoutError, OSError: there was no answer.
        """
        if self._own is None:
            self._own = self.session()
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        async with self._own.get(f"{self.host}{path}", headers={"Accept": accept}, timeout=timeout) as response:
            return response.status, await response.read()

    async def close(self) -> None:
        """Close the connections of `get`; end what is under way."""
        await self._credentials.close()
        if self._own is not None:
            await self._own.close()

    async def _named(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if self._server_name:
            request.server_hostname = self._server_name
        return await handler(request)

    def _renewed(self, config: ClusterConfig) -> None:
        if config.cert_file:
            self._tls.load_cert_chain(config.cert_file, config.key_file)


def kept_alive_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that notices within seconds when the other end has gone."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _SOCKET_OPTIONS.items():
        # Not every system has all of them.
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


def _tls_context(config: ClusterConfig) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=config.ca_file)
    # As Go's verification does, and so kubectl: each certificate of the file is an anchor.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if config.cert_file:
        context.load_cert_chain(config.cert_file, config.key_file)
    if not config.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context

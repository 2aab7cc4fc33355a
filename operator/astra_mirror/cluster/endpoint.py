"""How the API server is reached: proxy, TLS, credentials and socket options, decided once for every client.

The kubernetes client and Kopf both use aiohttp, and each would make these decisions in its own way. Both get sessions
that are created here.
"""

import socket
import ssl
from http import HTTPStatus
from typing import Final, Self

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from kubernetes.aio import client

from astra_mirror import USER_AGENT
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.credentials import Credentials
from astra_mirror.cluster.kubeconfig import ClusterConfig, ClusterConfigError, load_configuration
from astra_mirror.cluster.pem import as_file
from astra_mirror.cluster.request_log import RequestLog
from astra_mirror.core.proxies import without_credentials
from astra_mirror.observability.hidden_values import HiddenValues

CONNECT_SECONDS: Final = 5.0
_SOCKET_OPTIONS: Final = {
    # Detect a peer that has vanished: by unacknowledged data, or by keepalive probes on an idle connection.
    "TCP_USER_TIMEOUT": 5_000,
    "TCP_KEEPIDLE": 10,
    "TCP_KEEPINTVL": 2,
    "TCP_KEEPCNT": 3,
}
_REDIRECTS: Final = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)
_LINE_BYTES: Final = 2**21
"""The read buffer of a response: the client library reads a watch line by line, and a Secret may have a megabyte."""


class _RequestInfo(aiohttp.RequestInfo):
    """A request as aiohttp's errors quote it: without its headers, which contain the credentials."""

    def __repr__(self) -> str:
        return f"{self.method} {self.real_url}"


class _Request(aiohttp.ClientRequest):
    @property
    def request_info(self) -> aiohttp.RequestInfo:
        """What errors quote of the request."""
        return _RequestInfo(*super().request_info)


class Endpoint:
    """The API server at the address, and with the credentials, of a configuration."""

    def __init__(self, config: ClusterConfig, hidden: HiddenValues) -> None:
        self.host = config.host.rstrip("/")
        proxy, credentials = without_credentials(config.proxy or "")
        self._proxy = proxy or None
        self._proxy_authorization = None if credentials is None else aiohttp.encode_basic_auth(*credentials)
        self._server_name = config.server_name
        self._tls = _tls_context(config)
        self._credentials = Credentials(config, load_configuration, self._reload_client_certificate, hidden)
        self.request_log = RequestLog()
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    async def from_environment(cls, hidden: HiddenValues) -> Self:
        """The endpoint that kubeconfig or the pod's service account describes; its credentials are `hidden` in the log.

        Raises:
            ClusterConfigError: there are no usable credentials.
        """
        config = await load_configuration()
        try:
            return cls(config, hidden)
        except OSError as error:
            raise ClusterConfigError(
                f"the certificates for the API server {config.host} are of no use: {error}"
            ) from error

    def session(self, *middlewares: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
        """A new session, which the caller closes. The `middlewares` run before the one that adds the credentials."""
        return aiohttp.ClientSession(
            # No limit: each watch holds a connection, and together they could use up any limit.
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls, socket_factory=keepalive_socket),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT},
            middlewares=(*middlewares, self.request_log, self._credentials, self._complete),
            proxy=self._proxy,
            read_bufsize=_LINE_BYTES,
            request_class=_Request,
            trust_env=False,
        )

    def api_client(self, availability: Availability) -> client.ApiClient:
        """A kubernetes client on a session of this endpoint."""
        configuration = client.Configuration()
        configuration.host, configuration.proxy = self.host, None
        api = client.ApiClient(configuration)
        api.user_agent = USER_AGENT
        api.rest_client.pool_manager = self.session(availability.probe_after_failure)
        return api

    async def get(self, path: str, *, accept: str = "application/json", seconds: float) -> tuple[int, bytes]:
        """The status code and the body of the response to a GET.

        Raises:
            aiohttp.ClientError, TimeoutError, OSError: there was no response within `seconds`.
        """
        if self._session is None:
            self._session = self.session()
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        async with self._session.get(f"{self.host}{path}", headers={"Accept": accept}, timeout=timeout) as response:
            return response.status, await response.read()

    def hurry(self) -> None:
        """The process is about to end: do not wait for new credentials."""
        self._credentials.hurry()

    async def close(self) -> None:
        """Close the session of `get`, and cancel a renewal of the credentials."""
        await self._credentials.close()
        if self._session is not None:
            await self._session.close()

    async def _complete(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """A middleware that adds what a session cannot be given, refuses redirects, and rewords aiohttp's errors."""
        if self._server_name:
            request.server_hostname = self._server_name
        if self._proxy_authorization is not None:
            header = {"Proxy-Authorization": self._proxy_authorization}
            if request.is_ssl():
                request.update_proxy(request.proxy, None, header)
            else:
                request.headers.update(header)
        try:
            response = await handler(request)
        except aiohttp.ClientResponseError as error:
            # The request for a tunnel is not made by the session's request class.
            error.request_info = _RequestInfo(*error.request_info)
            error.args = (error.request_info, error.history)
            unparsed = error.__cause__
            if not isinstance(unparsed, HttpProcessingError):
                raise
            # The parser quotes the bytes in which it failed. They may have the rest of an echoed token without its
            # beginning, by which the log would recognise it.
            error.message = f"the response is no valid HTTP ({type(unparsed.__cause__ or unparsed).__name__})"
            raise error from None
        except aiohttp.ServerDisconnectedError:
            # aiohttp's may have the headers that came before, of which the last one is unfinished.
            raise aiohttp.ServerDisconnectedError from None
        if response.status in _REDIRECTS:
            # aiohttp would follow it, and the middlewares would add the credentials again, for whichever server it is.
            response.close()
            # Kopf retries after an error of this class.
            raise aiohttp.ClientConnectionError(
                f"{request.method} {request.url} is redirected ({response.status}), and no redirect is followed: "
                "it would send the credentials elsewhere. Use the URL of the API server itself"
            )
        return response

    def _reload_client_certificate(self, config: ClusterConfig) -> None:
        # Elsewhere first: if the key is of no use, the context is left with the new certificate and no key.
        _load_client_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), config)
        _load_client_certificate(self._tls, config)


def keepalive_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that notices within seconds when its peer has vanished."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _SOCKET_OPTIONS.items():
        # Some operating systems lack some of these options.
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


def _tls_context(config: ClusterConfig) -> ssl.SSLContext:
    with as_file(config.ca_file, config.ca_data) as path:
        context = ssl.create_default_context(cafile=path)
    # As Go and kubectl verify: each certificate in the file is a trust anchor.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    _load_client_certificate(context, config)
    if not config.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _load_client_certificate(context: ssl.SSLContext, config: ClusterConfig) -> None:
    def password() -> str:
        # Without this function OpenSSL would ask on the terminal, or on standard input, and block the event loop.
        raise ClusterConfigError(
            f"the client key for the API server {config.host} is encrypted, and nobody can be asked for its password: "
            "decrypt it with openssl pkey -in KEY -out NEW, and use NEW in client-key or client-key-data"
        )

    certificate, key = as_file(config.cert_file, config.cert_data), as_file(config.key_file, config.key_data)
    with certificate as certificate_path, key as key_path:
        if certificate_path:
            context.load_cert_chain(certificate_path, key_path, password)

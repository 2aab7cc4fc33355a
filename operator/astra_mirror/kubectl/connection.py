"""How the API server is reached: as kubectl would, by the kubeconfig or, in a pod, by the service account.

The operator's own readers of kubeconfigs do the work (`cluster/kubeconfig_files.py`, `cluster/identity.py`), so that
the two agree. What differs: a context can be named, a credential plugin may ask the person at the terminal, and no
certificate is kept in a file.
"""

import os
import socket
import ssl
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp

from astra_mirror import USER_AGENT
from astra_mirror.cluster.kubeconfig_faults import check
from astra_mirror.cluster.kubeconfig_files import Entry, KubeconfigError
from astra_mirror.core.proxies import UnsupportedProxyError, proxy_for, without_credentials
from astra_mirror.kubectl.core.choice import Place
from astra_mirror.kubectl.errors import NoClusterError
from astra_mirror.kubectl.kubeconfig import kubeconfig_of
from astra_mirror.kubectl.requester import Requester

CONNECT_SECONDS: Final = 5.0
_DEFAULT_NAMESPACE: Final = "default"
_LINE_BYTES: Final = 2**21
"""The read buffer: a watch is read line by line, and an object may have more than a megabyte."""
_SOCKET_OPTIONS: Final = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 10_000}


@dataclass(frozen=True, slots=True)
class Connection:
    """An open connection to the API server. Closed by `close`."""

    url: str
    namespace: str
    session: aiohttp.ClientSession

    async def close(self) -> None:
        """Close it."""
        await self.session.close()


async def connect(place: Place, environment: Mapping[str, str] = os.environ) -> Connection:
    """Find the cluster and prepare to ask it; nothing is sent yet.

    Raises:
        NoClusterError: there are no usable credentials.
    """
    try:
        kubeconfig = kubeconfig_of(place, environment)
        check(kubeconfig)
        server = kubeconfig.cluster.fields["server"].rstrip("/")
        tls = _tls_context(kubeconfig.cluster)
        requester = Requester(kubeconfig, tls, is_by_hand=place.is_by_hand)
        await requester.renew()
        proxy = proxy_for(server, kubeconfig.cluster.fields.get("proxy-url"), environment)
    except (KubeconfigError, UnsupportedProxyError) as error:
        failure = str(error)
    except (ssl.SSLError, OSError) as error:
        failure = f"the certificates in the kubeconfig are of no use: {error.strerror or type(error).__name__}"
    else:
        server_name = kubeconfig.cluster.fields.get("tls-server-name")
        session = _session(tls, proxy, server_name, requester)
        return Connection(server, place.namespace or kubeconfig.namespace or _DEFAULT_NAMESPACE, session)
    # Not raised above, so that no traceback has the error of a library, which may quote a credential.
    raise NoClusterError(failure)


def _tls_context(cluster: Entry) -> ssl.SSLContext:
    fields = cluster.fields
    data = fields.get("certificate-authority-data")
    context = ssl.create_default_context(
        cafile=None if data else fields.get("certificate-authority"),
        cadata=b64decode(data).decode("ascii", "ignore") if data else None,
    )
    # As Go and kubectl verify: each certificate in the file is a trust anchor.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if fields.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _session(
    tls: ssl.SSLContext, proxy: str | None, server_name: str | None, requester: Requester
) -> aiohttp.ClientSession:
    address, credentials = without_credentials(proxy or "")
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=tls, socket_factory=_socket),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT.replace("/", "-kubectl/"), "Accept": "application/json"},
        middlewares=(requester, _Completion(server_name, credentials)),
        proxy=address or None,
        read_bufsize=_LINE_BYTES,
        trust_env=False,
    )


class _Completion:
    """A middleware that adds what a session cannot be given: the server's name for TLS, the proxy's password."""

    def __init__(self, server_name: str | None, proxy_credentials: tuple[str, str] | None) -> None:
        self._server_name = server_name
        self._header = (
            None
            if proxy_credentials is None
            else {"Proxy-Authorization": aiohttp.encode_basic_auth(*proxy_credentials)}
        )

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if self._server_name:
            request.server_hostname = self._server_name
        if self._header is not None and request.is_ssl():
            request.update_proxy(request.proxy, None, self._header)
        elif self._header is not None:
            request.headers.update(self._header)
        return await handler(request)


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that notices within seconds when its peer has vanished."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _SOCKET_OPTIONS.items():
        # Some operating systems lack some of these options.
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made

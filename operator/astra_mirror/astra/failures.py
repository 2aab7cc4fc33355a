"""The failures of requests without a usable response. Each message is written here and chosen by the kind of error.

A library's error message may quote what the remote sent, including the token or half of it, so none is shown or logged.
`via` says of a request that it went through a proxy, as far as it does not say so by itself.
"""

import errno
import socket
import ssl
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from astra_mirror.astra.addresses import AddressRefusedError
from astra_mirror.astra.routes import CONNECT_SECONDS, ProxyError
from astra_mirror.astra.tls import causes, certificate_error, problem_text
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.support.text import sentence

Errors = list[BaseException]


def _is(*kinds: type[BaseException]) -> Callable[[Errors], bool]:
    return lambda errors: any(isinstance(each, kinds) for each in errors)


def _has_number(*numbers: int) -> Callable[[Errors], bool]:
    return lambda errors: any(isinstance(each, OSError) and each.errno in numbers for each in errors)


def _is_about_names(errors: Errors, *numbers: int) -> bool:
    found = [each for each in errors if isinstance(each, socket.gaierror)]
    return any(each.errno in numbers for each in found) if numbers else bool(found)


_KINDS: Final[tuple[tuple[Callable[[Errors], bool], str], ...]] = (
    (lambda errors: _is_about_names(errors, socket.EAI_AGAIN), "no name server answers for its host"),
    (_is_about_names, "its host's name is unknown"),
    (_has_number(errno.EAGAIN), "the operator has no thread left to look up its host's name"),
    (_is(aiohttp.ClientConnectorDNSError), "its host's name has no address"),
    (_is(LineTooLong), "the answer has too long a header"),
    (_is(aiohttp.ClientResponseError, HttpProcessingError), "what answers does not speak HTTP as it should"),
    (_has_number(errno.ECONNREFUSED), "the connection was refused, so nothing listens on that port"),
    (_has_number(errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL), "there is no route to its host"),
    (_has_number(errno.EMFILE, errno.ENFILE), "the operator has no file descriptor left for a connection"),
    (_is(ssl.SSLError), "the TLS handshake failed; the port may not speak TLS, or not a version or cipher of ours"),
    (_is(aiohttp.ServerDisconnectedError), "the connection was closed before an answer came"),
    (_is(ConnectionError, aiohttp.ClientOSError), "the connection was reset"),
    (_is(TimeoutError), "no connection was established in time"),
)


def unreachable(connection: Connection, error: Exception, via: str = "") -> Failed:
    """The failure for an error of the network, of a proxy, of TLS or of the HTTP protocol."""
    errors = list(causes(error))
    refused = next((each for each in errors if isinstance(each, AddressRefusedError)), None)
    if refused is not None:
        return Failed(SyncReason.URL_NOT_ALLOWED, f"{connection.url} is not called: {refused}.")
    certificate = certificate_error(error)
    if certificate is not None:
        return Failed(
            SyncReason.TLS_VERIFICATION_FAILED,
            sentence(f"The certificate of {connection.url} is not trusted: {problem_text(certificate)}"),
        )
    if _is(aiohttp.InvalidURL)(errors):
        return Failed(
            SyncReason.SECRET_INVALID,
            "The Secret cannot be used: the URL is wrong: its host is no DNS name or address.",
        )
    why = next((text for applies, text in _KINDS if applies(errors)), "the connection failed")
    proxy = next((each for each in errors if isinstance(each, ProxyError)), None)
    if proxy is not None:
        if _is(TimeoutError)(errors):
            why = f"it has established no connection within {CONNECT_SECONDS:g}s"
        return Failed(SyncReason.UNREACHABLE, f"{connection.url} cannot be reached: {_of_proxy(proxy.status, why)}.")
    return Failed(SyncReason.UNREACHABLE, f"{connection.url} cannot be reached{via}: {why}.")


def _of_proxy(status: int | None, why: str) -> str:
    if status is None:
        return f"the proxy cannot be used: {why}"
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return (
            "the proxy does not accept the operator's user name and password (407): the operator's administrator has "
            "to correct them in --proxy-url"
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"the proxy has no connection to its host ({status})"
    return f"the proxy refuses to connect to its host ({status}): ask the operator's administrator to allow it there"


def closed_mid_response(connection: Connection, via: str = "") -> Failed:
    """The failure for a connection that was closed before the end of the response."""
    return Failed(SyncReason.UNREACHABLE, f"{connection.url}: connection closed mid-response{via}.")


def timed_out(connection: Connection, seconds: float, via: str = "") -> Failed:
    """The failure for a response that did not arrive within `seconds`."""
    return Failed(SyncReason.UNREACHABLE, f"{connection.url}: no response within {seconds:g}s{via}.")


def evicted(connection: Connection) -> Failed:
    """The failure for a body that was evicted, because it held memory for too long while others waited."""
    return Failed(
        SyncReason.UNREACHABLE,
        f"{connection.url} sent its answer too slowly: it was given up, because others waited for the memory it took.",
    )

"""The connections of the HTTP clients, with limits that aiohttp and asyncio do not have.

The server may be a tenant's own and hostile, and whatever one connection may occupy, many can. In aiohttp 3.14 and
asyncio, as read in their sources (aiohttp/client_proto.py, connector.py, asyncio/sslproto.py):

- A pooled connection goes on reading and parsing. Responses that nobody has asked for are queued without limit.
- 1xx responses are skipped without limit, and up to 256 KiB of them are parsed at a time.
- The headers of a response may have a mebibyte, which counts in no budget.
- A TLS connection has a buffer of 256 KiB from the start of the handshake, and another one of up to 512 KiB.
- A closed connection first sends what it still has to send, if the server ever reads that, and over TLS it waits 30
  seconds for the server's close_notify.

`Connector._factory` and `SSLProtocol.max_size` are internal names; tests/astra/test_sockets.py fails if they lose their
effect. A TLS connection is closed without a close_notify of the operator: it has no request to send, nor a response
that might be cut.
"""

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError, LineTooLong

from astra_mirror.astra.addresses import FilteringResolver

if TYPE_CHECKING:
    from aiohttp.client import ClientTimeout
    from aiohttp.connector import Connection
    from aiohttp.http import RawResponseMessage
    from aiohttp.streams import StreamReader
    from aiohttp.tracing import Trace

_PIECE: Final = 16 * 1024
"""The most bytes that are received and parsed at a time. The event loop serves other connections between two pieces."""
_SLICE: Final = 1024
"""The most bytes that are parsed at a time before the response: 50 of the shortest 1xx responses."""
_MAX_HEAD: Final = 64 * 1024
"""The most bytes that may arrive before the headers of the response are complete, 1xx responses included."""
_MAX_INFORMATIONAL: Final = 8
"""The most 1xx responses before the response. Astra Control sends none."""

SSLProtocol.max_size = _PIECE
"""The most encrypted bytes that asyncio receives at a time, and the size of each connection's buffer for them.

asyncio has no argument for it. The whole process has this limit: connections to the API server need no more either."""


class _Handler(ResponseHandler, asyncio.BufferedProtocol):
    """Receives the response of one request at a time, and nothing else.

    As a BufferedProtocol it provides the buffer that asyncio receives into, and so limits what is received at a time.
    All connections of a client share the buffer: it is emptied before asyncio returns to the event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, buffer: memoryview) -> None:
        super().__init__(loop)
        self._received = buffer
        self.begin()

    def begin(self) -> None:
        """Expect the response of a new request."""
        self._head = 0
        self._informational = 0
        self._has_response = False
        self._has_surplus = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio, over TLS after the handshake."""
        super().connection_made(transport)
        if transport.get_extra_info("sslcontext") is not None:
            # How many encrypted bytes may wait to be decrypted. Only asyncio's TLS transport has this method.
            transport.set_read_buffer_limits(high=_PIECE)  # type: ignore[attr-defined]

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where asyncio puts the next bytes."""
        del sizehint
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        """Parse the bytes that asyncio has received."""
        self.data_received(bytes(self._received[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Parse these bytes, or without any, what was left when the parser was paused."""
        while True:
            if data and self._has_response and (self._payload is None or self._payload.is_eof()):
                # The request has all of its response, or no request uses the connection.
                self.abort()
                return
            size = len(data) if self._has_response else _SLICE
            self._parse(data[:size])
            data = data[size:]
            if not data or not self.is_connected():
                return

    def _parse(self, data: bytes) -> None:
        self._head += len(data)
        super().data_received(data)
        if self._has_surplus:
            self.abort()
        elif self._informational > _MAX_INFORMATIONAL:
            self._fail(BadHttpMessage("Too many informational responses"))
        elif not self._has_response and self._head > _MAX_HEAD:
            self._fail(LineTooLong(b"", _MAX_HEAD))

    def feed_data(self, data: "tuple[RawResponseMessage, StreamReader]", size: int = 0) -> None:
        """Queue a response whose headers are complete."""
        if self._has_response:
            self._has_surplus = True
        elif 100 <= data[0].code < 200 and data[0].code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._informational += 1
        else:
            self._has_response = True
            super().feed_data(data, size)

    def _fail(self, error: HttpProcessingError) -> None:
        self.set_exception(error)
        if self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        """Close the connection at once: nothing of use is left to be sent or received."""
        self.abort()


class Connector(aiohttp.TCPConnector):
    """Creates the connections of one client.

    Args:
        context: the TLS context.
        resolver: resolves host names.
        keepalive_seconds: how long a connection that no request uses is kept.
    """

    def __init__(self, context: ssl.SSLContext, resolver: FilteringResolver, keepalive_seconds: float) -> None:
        super().__init__(
            ssl=context,
            # No limit here: requests wait in the connection queue, where waiting is cheap and fair.
            limit=0,
            resolver=resolver,
            # The resolver has a cache. With aiohttp's cache, the second request for a name would wait for the look-up
            # of the first one, which may be of another namespace.
            use_dns_cache=False,
            keepalive_timeout=keepalive_seconds,
        )
        self._factory = partial(_Handler, self._loop, memoryview(bytearray(_PIECE)))  # type: ignore[assignment]

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: "list[Trace]",
        timeout: "ClientTimeout",  # noqa: ASYNC109 - aiohttp's
    ) -> "Connection":
        """A connection for a request: one from the pool, or a new one."""
        connection = await super().connect(req, traces, timeout)
        if isinstance(connection.protocol, _Handler):
            connection.protocol.begin()
        return connection

"""Servers that send what nobody has asked for, or never end: what one connection can occupy, and for how long."""

import asyncio
import socket
import ssl
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp.client_proto import ResponseHandler

from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.connection import TLS, Connection
from astra_mirror.core.outcome import Answer, Failed, SyncReason
from astra_mirror.core.request_plan import Document
from astra_mirror.core.urls import AllowedURL, BaseURL
from tests.astra.certificates import context_for, self_signed

ID = "00000000-0000-4000-8000-000000000001"
TOKEN = "a-good-token"
UNVERIFIED = TLS(None, verify=False)
MIB = 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CONTINUE = b"HTTP/1.1 100 C\r\n\r\n"
UNEXPECTED = b"HTTP/1.1 200 O\r\nX: " + b"y" * 8000 + b"\r\nContent-Length: 0\r\n\r\n"
NO_HTTP = "what answers does not speak HTTP as it should."
TOO_LONG = "the answer has too long a header."
Write = Callable[[asyncio.StreamWriter], None]


class Server:
    """Responds to the first request of each connection, and then floods the connection until the client ends it."""

    def __init__(self, first: bytes, flood: bytes = b"", most: int = 0) -> None:
        self.url = ""
        self.connections = 0
        self.flooded = 0
        self.goes_on = asyncio.Event()
        self.sent = asyncio.Event()
        self.ended = asyncio.Event()
        self._first, self._flood, self._most = first, flood, most

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self._first)
            await self.goes_on.wait()
            while self.flooded < self._most:
                writer.write(self._flood)
                await writer.drain()
                self.flooded += len(self._flood)
                self.sent.set()
            if self._flood:
                await reader.read()
        except ConnectionError:
            pass
        self.ended.set()
        writer.transport.abort()

    @asynccontextmanager
    async def listening(self, context: ssl.SSLContext | None) -> AsyncIterator[ClientPool]:
        """The clients that may call it."""
        async with await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=context) as server:
            scheme = "https" if context else "http"
            self.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            clients = ClientPool([AllowedURL.parse(self.url)])
            yield clients
            self.goes_on.set()
            await clients.close()


async def ask(clients: ClientPool, url: str, token: str = TOKEN, seconds: float = 60.0) -> Answer:
    """The outcome of one request."""
    connection = Connection(BaseURL.parse(url), token, UNVERIFIED)
    return await AstraClient(clients, seconds).get_backup(connection, Document(ID, ID, ID))


@pytest.fixture(params=["http", "https"])
def context(request: pytest.FixtureRequest, tmp_path: Path) -> ssl.SSLContext | None:
    """The TLS context of the server, or None for a server without TLS."""
    return context_for(self_signed("127.0.0.1"), tmp_path) if request.param == "https" else None


async def test_responses_to_no_request_end_the_connection(context: ssl.SSLContext | None) -> None:
    """Complete responses on a connection in the pool are not queued: without the limit it takes all that comes."""
    server = Server(OK, UNEXPECTED * 8, most=32 * MIB)
    async with server.listening(context) as clients:
        await ask(clients, server.url)
        server.goes_on.set()
        await server.ended.wait()
        # What has left the server is in the buffers of the kernel, and lost with the connection.
        assert server.flooded < 16 * MIB
        await ask(clients, server.url)
        assert server.connections == 2


@pytest.mark.parametrize("sent", [b"H", b"\r\n", OK])
async def test_any_byte_to_no_request_ends_the_connection(sent: bytes) -> None:
    """The next request has a new connection, and reads nothing that was sent before it."""
    server = Server(OK, sent, most=1)
    async with server.listening(None) as clients:
        await ask(clients, server.url)
        server.goes_on.set()
        await server.sent.wait()
        for _ in range(3):
            # Until the client has received it.
            await asyncio.sleep(0)
        await ask(clients, server.url, seconds=1.0)
        assert server.connections == 2


async def test_a_second_response_at_once_ends_the_connection() -> None:
    """The first response counts, and the connection is not used again."""
    server = Server(OK + OK)
    async with server.listening(None) as clients:
        outcome = await ask(clients, server.url)
        assert isinstance(outcome, Failed)
        assert outcome.code == 200
        await ask(clients, server.url)
        assert server.connections == 2


async def test_informational_responses_without_end(
    context: ssl.SSLContext | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request fails after a few, and a mebibyte of them is not parsed at once, because that blocks the loop."""
    parsed: list[int] = []
    parse = ResponseHandler.data_received

    def record(handler: ResponseHandler, data: bytes) -> None:
        parsed.append(len(data))
        parse(handler, data)

    server = Server(CONTINUE * 60_000, CONTINUE * 4096, most=32 * MIB)
    server.goes_on.set()
    async with server.listening(context) as clients:
        monkeypatch.setattr(ResponseHandler, "data_received", record)
        outcome = await ask(clients, server.url)
        await server.ended.wait()
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.code) == (SyncReason.UNREACHABLE, None)
    assert outcome.message.endswith(NO_HTTP)
    assert max(parsed) <= 1024
    assert sum(parsed) <= 2048


async def test_a_few_informational_responses_are_skipped() -> None:
    """A server may send some (RFC 9110, 15.2)."""
    server = Server(CONTINUE * 8 + OK)
    async with server.listening(None) as clients:
        outcome = await ask(clients, server.url)
    assert isinstance(outcome, Failed)
    assert outcome.code == 200


@pytest.mark.parametrize("status", [b"100 C", b"200 OK"])
async def test_headers_that_are_too_long_together(status: bytes) -> None:
    """Each has less than eight kibibytes."""
    fields = b"".join(b"X%d: %s\r\n" % (number, b"y" * 8000) for number in range(10))
    server = Server(b"HTTP/1.1 " + status + b"\r\n" + fields + b"Content-Length: 0\r\n\r\n" + OK)
    async with server.listening(None) as clients:
        outcome = await ask(clients, server.url)
    assert isinstance(outcome, Failed)
    assert outcome.message.endswith(TOO_LONG)


@contextmanager
def holding(context: ssl.SSLContext | None, sent: bytes = b"") -> Iterator[tuple[str, list[socket.socket]]]:
    """The URL of a server that sends this, reads nothing and never closes a connection; and its sockets.

    It runs in threads, so that it has no buffers of asyncio, and does not respond to a close_notify.
    """
    accepted: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with suppress(OSError):
            held = context.wrap_socket(connection, server_side=True) if context else connection
            accepted.append(held)
            held.sendall(sent)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threads.append(threading.Thread(target=serve, args=(listener.accept()[0],)))
                threads[-1].start()

    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threads = [threading.Thread(target=accept)]
        threads[0].start()
        yield f"{'https' if context else 'http'}://127.0.0.1:{listener.getsockname()[1]}", accepted
        listener.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        for connection in accepted:
            connection.close()


def sockets() -> int:
    """How many sockets the process has open."""
    found = 0
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += str(each.readlink()).startswith("socket:")
    return found


async def test_a_request_that_timed_out_leaves_no_socket(context: ssl.SSLContext | None) -> None:
    """Not even if the server has not read all of the request, and does not respond to the end of TLS."""
    with holding(context) as (url, accepted):
        clients = ClientPool([AllowedURL.parse(url)])
        before = sockets()
        outcomes = await asyncio.gather(*(ask(clients, url, "t" * 60_000, 1.0) for _ in range(4)))
        assert all(isinstance(each, Failed) and "no response within" in each.message for each in outcomes)
        await asyncio.sleep(0)
        assert len(accepted) == 4
        assert sockets() == before + len(accepted)
        await clients.close()


async def test_a_response_that_is_not_read_leaves_no_socket(context: ssl.SSLContext | None) -> None:
    """The rest of a response that is of no use is not awaited, nor is the server's end of TLS."""
    with holding(context, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n") as (url, accepted):
        clients = ClientPool([AllowedURL.parse(url)])
        before = sockets()
        async with clients.use(UNVERIFIED) as client, await client.get(BaseURL.parse(url), "/", TOKEN):
            assert sockets() == before + 2
        await asyncio.sleep(0)
        assert sockets() == before + len(accepted) == before + 1
        await clients.close()


async def test_a_tls_connection_has_small_buffers(tmp_path: Path) -> None:
    """A body that is not read, because it waits for memory, occupies little of what counts in no budget."""
    context = context_for(self_signed("127.0.0.1"), tmp_path)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (8 * MIB)
    with holding(context, head + b" " * 8 * MIB) as (url, _):
        clients = ClientPool([AllowedURL.parse(url)])
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(clients.use(UNVERIFIED))
            await stack.enter_async_context(await client.get(BaseURL.parse(url), "/", TOKEN))
            tracemalloc.start()
            try:
                for _ in range(8):
                    response = await client.get(BaseURL.parse(url), "/", TOKEN)
                    await stack.enter_async_context(response)
                    assert response.connection is not None
                    transport: Any = response.connection.transport
                    while transport.get_read_buffer_size() < transport.get_read_buffer_limits()[1]:  # noqa: ASYNC110 - no event
                        await asyncio.sleep(0.001)
                    assert transport.get_read_buffer_size() <= 64 * 1024
                assert tracemalloc.get_traced_memory()[0] / 8 < 128 * 1024
            finally:
                tracemalloc.stop()
        await clients.close()


async def test_a_handshake_has_small_buffers() -> None:
    """A server may delay the handshakes of many connections, and none of them counts in a budget."""
    with holding(None) as (plain, accepted):
        url = plain.replace("http", "https")
        clients = ClientPool([AllowedURL.parse(url)])
        tracemalloc.start()
        try:
            await asyncio.gather(*(ask(clients, url, seconds=1.0) for _ in range(8)))
            assert tracemalloc.get_traced_memory()[1] / 8 < 128 * 1024
        finally:
            tracemalloc.stop()
        assert len(accepted) == 8
        await clients.close()

"""One exchange with a server, byte by byte: what is sent, what each broken response becomes, when the socket closes."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from astra_mirror import USER_AGENT
from astra_mirror.astra.bodies import MAX_DOCUMENT, Bodies
from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.names import Addresses, Name, NameLookups
from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Failed, SyncReason
from astra_mirror.core.request_plan import Document
from astra_mirror.core.urls import AllowedURL, BaseURL

ID = "00000000-0000-4000-8000-000000000001"
DOCUMENT = Document(ID, ID, ID)
TOKEN = "a-good-token"
PATH = f"/accounts/{ID}/k8s/v1/apps/{ID}/appBackups/{ID}"
Respond = Callable[[asyncio.StreamWriter], None]


class Server:
    """A server that reads a request, lets `respond` write, and then closes the connection or waits for its end."""

    def __init__(self, respond: Respond, *, keeps: bool) -> None:
        self.url = ""
        self.requests: list[bytes] = []
        self.ended = asyncio.Event()
        self.received = asyncio.Event()
        self._respond = respond
        self._keeps = keeps

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            self.received.set()
            self._respond(writer)
            await writer.drain()
            if self._keeps:
                assert await reader.read() == b""
        except ConnectionError:
            pass
        self.ended.set()
        writer.close()


@asynccontextmanager
async def serving(sent: bytes | Respond, *, keeps: bool = False) -> AsyncIterator[Server]:
    """A server that sends these bytes."""
    server = Server(sent if callable(sent) else lambda writer: writer.write(sent), keeps=keeps)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield server


@asynccontextmanager
async def asking(
    url: str, bodies: Bodies | None = None, lookups: NameLookups | None = None
) -> AsyncIterator[AstraClient]:
    """A client that may call this URL."""
    allowed = [AllowedURL.parse(url)]
    clients = ClientPool(allowed, lookups=lookups)
    yield AstraClient(clients, 5.0, bodies)
    await clients.close()


async def ask(url: str, lookups: NameLookups | None = None) -> Answer:
    """The outcome of one request for a backup."""
    async with asking(url, lookups=lookups) as client:
        return await client.get_backup(Connection(BaseURL.parse(url), TOKEN), DOCUMENT)


async def test_a_request_is_what_is_needed_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five headers, whatever proxies and passwords the environment names, which are for other programs."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:1")
    async with serving(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n") as server:
        outcome = await ask(server.url)
    assert isinstance(outcome, Failed)
    assert outcome.reason is SyncReason.UNAUTHORIZED
    (request,) = server.requests
    line, *headers = request.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
    assert line == f"GET {PATH} HTTP/1.1"
    pairs = [each.split(": ", 1) for each in headers]
    assert sorted((name.lower(), value) for name, value in pairs) == [
        ("accept", "*/*"),
        ("accept-encoding", "gzip"),
        ("authorization", f"Bearer {TOKEN}"),
        ("host", server.url.removeprefix("http://")),
        ("user-agent", USER_AGENT),
    ]


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


OK = b"HTTP/1.1 200 OK\r\n"
MID_RESPONSE = "{url}: connection closed mid-response."
NO_HTTP = "{url} cannot be reached: what answers does not speak HTTP as it should."
BEFORE = "{url} cannot be reached: the connection was closed before an answer came."
TOO_LONG = "{url} cannot be reached: the answer has too long a header."
RESET = "{url} cannot be reached: the connection was reset."


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        pytest.param(b"", BEFORE, id="nothing"),
        pytest.param(OK + b"Content-Le", BEFORE, id="half-a-header"),
        pytest.param(_reset, RESET, id="reset"),
        pytest.param(b"SSH-2.0-x\r\n", NO_HTTP, id="another-protocol"),
        pytest.param(OK + b"X: " + b"x" * 8300 + b"\r\n\r\n", TOO_LONG, id="long-header"),
        pytest.param(OK + b"X" * 8300 + b": x\r\n\r\n", TOO_LONG, id="long-name"),
        pytest.param(b"HTTP/1.1 200 " + b"x" * 8300 + b"\r\n\r\n", TOO_LONG, id="long-reason"),
        pytest.param(OK + b"X: x\r\n" * 200 + b"\r\n", NO_HTTP, id="many-headers"),
        pytest.param(OK + b"Content-Length: 9\r\n\r\n{}", MID_RESPONSE, id="cut-body"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{}", MID_RESPONSE, id="cut-chunk"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", MID_RESPONSE, id="no-last-chunk"),
        pytest.param(OK + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n", MID_RESPONSE, id="cut-gzip"),
    ],
)
async def test_a_broken_response_is_unreachable(sent: bytes | Respond, message: str) -> None:
    """The message says how it broke."""
    async with serving(sent) as server:
        outcome = await ask(server.url)
    assert outcome == Failed(SyncReason.UNREACHABLE, message.format(url=server.url))


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        (b"Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n", "The answer is compressed in a way"),
        (b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n", "The answer is compressed in a way"),
        (b"Content-Encoding: gz\xefp\r\n", "The answer is compressed in a way"),
        (b"Content-Encoding:  GZIP \r\n", "The answer is not valid gzip."),
        (b"Content-Encoding: x-gzip\r\n", "The answer is not valid gzip."),
        (b"Content-Encoding: br\r\n", "The answer is compressed with 'br'"),
        (b"Content-Encoding:\r\n", "The answer is not a backup"),
    ],
)
async def test_an_encoding_is_read_from_all_its_headers(headers: bytes, message: str) -> None:
    """Two encodings are none that was asked for, in whatever headers they are."""
    async with serving(OK + headers + b"Content-Length: 2\r\n\r\n{}") as server:
        outcome = await ask(server.url)
    assert isinstance(outcome, Failed)
    assert outcome.reason is SyncReason.UNEXPECTED_RESPONSE
    assert outcome.message.startswith(message)


@pytest.mark.parametrize("value", [b"\xe9", b"7\xe9", b"\xc2\xb2", b"7, 7"])
async def test_a_time_to_wait_that_cannot_be_read_is_none(value: bytes) -> None:
    """In any character set, and where there are two of them."""
    for header in (b"Retry-After: %b\r\n" % value, b"Retry-After: 7\r\nRetry-After: 7\r\n"):
        async with serving(b"HTTP/1.1 429 Slow\r\n%bContent-Length: 0\r\n\r\n" % header) as server:
            outcome = await ask(server.url)
        assert isinstance(outcome, Failed)
        assert (outcome.reason, outcome.retry_after) == (SyncReason.RATE_LIMITED, None)


@pytest.mark.parametrize("body", [b"Content-Length: 9\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n9\r\nx"])
async def test_a_status_counts_whose_body_breaks(body: bytes) -> None:
    """The body of an error response has words for people, and nothing that decides."""
    async with serving(b"HTTP/1.1 403 No\r\n" + body) as server:
        outcome = await ask(server.url)
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.code) == (SyncReason.FORBIDDEN, 403)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), "its host's name is unknown"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "no name server answers for its host"),
        ((), "its host's name has no address"),
    ],
)
async def test_a_name_without_an_address_is_unreachable(found: Addresses | OSError, message: str) -> None:
    """The message says whether the name or its name server is at fault."""

    def look_up(_: Name) -> Addresses:
        if isinstance(found, OSError):
            raise found
        return found

    url = "http://astra.example"
    outcome = await ask(url, NameLookups(look_up))
    assert outcome == Failed(SyncReason.UNREACHABLE, f"{url} cannot be reached: {message}.")


async def test_a_body_that_is_not_read_to_its_end_costs_its_connection() -> None:
    """What the server would go on to send is not read."""
    body = b" " * (MAX_DOCUMENT + 1)
    async with serving(OK + b"Content-Length: %d\r\n\r\n" % (2 * len(body)) + body, keeps=True) as server:
        outcome = await ask_and_wait(server)
    assert isinstance(outcome, Failed)
    assert "larger than 1024 KiB" in outcome.message


async def test_a_redirect_costs_its_connection_where_its_body_does_not_come() -> None:
    """The redirect is not followed."""
    redirect = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 9\r\n\r\n"
    async with serving(redirect, keeps=True) as server:
        outcome = await ask_and_wait(server)
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.code) == (SyncReason.UNEXPECTED_RESPONSE, 302)
    assert len(server.requests) == 1


async def ask_and_wait(server: Server) -> Answer:
    """The outcome of a request, after which the server has seen the end of the connection."""
    async with asking(server.url) as client:
        outcome = await client.get_backup(Connection(BaseURL.parse(server.url), TOKEN), DOCUMENT)
        await asyncio.wait_for(server.ended.wait(), 5)
        return outcome


@pytest.mark.parametrize("sent", [b"", OK, OK + b"Content-Length: 9\r\n\r\n{}"])
async def test_a_cancelled_request_leaves_no_connection_and_no_memory(sent: bytes) -> None:
    """Whether it waits for the headers or for the body."""
    bodies = Bodies()
    async with serving(sent, keeps=True) as server, asking(server.url, bodies) as client:
        connection = Connection(BaseURL.parse(server.url), TOKEN)
        request = asyncio.create_task(client.get_backup(connection, DOCUMENT))
        await server.received.wait()
        await asyncio.sleep(0.05)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await asyncio.wait_for(server.ended.wait(), 5)
    assert bodies.budget.held == 0


async def test_a_url_that_aiohttp_cannot_parse_is_of_a_secret() -> None:
    """No such URL is known: those that some library refuses are refused when the Secret is read."""
    async with asking("http://127.0.0.1:1") as client:
        outcome = await client.get_backup(Connection(BaseURL("http", "[", 80), TOKEN), DOCUMENT)
    assert outcome == Failed(
        SyncReason.SECRET_INVALID,
        "The Secret cannot be used: the URL is wrong: its host is no DNS name or address.",
    )

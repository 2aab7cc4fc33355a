"""The client against servers that violate HTTP, or that do not respond."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from astra_mirror.astra import answers
from astra_mirror.astra import client as client_module
from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Failed, Known, Listed, SyncReason
from astra_mirror.core.request_plan import Collection, Document
from astra_mirror.core.urls import AllowedURL, BaseURL
from dev.simulator import Simulator

ID = "00000000-0000-4000-8000-000000000001"
DOCUMENT = Document(ID, ID, ID)
Ask = Callable[[bytes], AbstractAsyncContextManager[Answer]]


@pytest.fixture
def ask() -> Ask:
    """Request a backup from a server that sends these bytes to every request, and then nothing."""

    @asynccontextmanager
    async def asked(sent: bytes) -> AsyncIterator[Answer]:
        left = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(sent)
            await left.wait()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        clients = ClientPool([AllowedURL.parse(url)])
        yield await AstraClient(clients, 5.0).get_backup(Connection(BaseURL.parse(url), "token"), DOCUMENT)
        left.set()
        await clients.close()
        server.close()
        await server.wait_closed()

    return asked


async def test_a_reason_phrase_in_any_character_set(ask: Ask) -> None:
    """The status code counts whatever the reason phrase is."""
    async with ask(b"HTTP/1.1 401 Non autoris\xe9\r\nContent-Length: 0\r\n\r\n") as outcome:
        assert isinstance(outcome, Failed)
        assert outcome.reason is SyncReason.UNAUTHORIZED


async def test_an_error_whose_words_do_not_come(ask: Ask) -> None:
    """An error response without its body has its reason and Retry-After before the time-out."""
    async with ask(b"HTTP/1.1 429 Slow down\r\nRetry-After: 7\r\nContent-Length: 9\r\n\r\n") as outcome:
        assert isinstance(outcome, Failed)
        assert (outcome.reason, outcome.retry_after) == (SyncReason.RATE_LIMITED, 7)


async def test_a_date_to_come_again_is_read_by_the_servers_own_clock(ask: Ask) -> None:
    """A date in Retry-After is compared with the Date header, because the clocks may differ."""
    theirs = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    now, later = (format_datetime(theirs + timedelta(seconds=each), usegmt=True) for each in (0, 90))
    times = f"Date: {now}\r\nRetry-After: {later}"
    async with ask(f"HTTP/1.1 503 Later\r\n{times}\r\nContent-Length: 0\r\n\r\n".encode()) as outcome:
        assert isinstance(outcome, Failed)
        assert outcome.retry_after == 90
    times = f"Date: {later}\r\nRetry-After: {now}"
    async with ask(f"HTTP/1.1 503 Later\r\n{times}\r\nContent-Length: 0\r\n\r\n".encode()) as outcome:
        assert isinstance(outcome, Failed)
        assert outcome.retry_after is None


async def test_a_host_that_swallows_packets_is_left_before_the_time_is_over() -> None:
    """A host that accepts no connection fails before the time-out of the request."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = server.getsockname()
        # The kernel completes as many connections as the backlog holds, and drops what asks for another one.
        fillers = [socket.socket() for _ in range(4)]
        for each in fillers:
            each.setblocking(False)
            each.connect_ex(address)
        url = f"http://127.0.0.1:{address[1]}"
        clients = ClientPool([AllowedURL.parse(url)])
        outcome = await AstraClient(clients, 3600.0).get_backup(Connection(BaseURL.parse(url), "token"), DOCUMENT)
        await clients.close()
        for each in fillers:
            each.close()
    assert outcome == Failed(SyncReason.UNREACHABLE, f"{url} cannot be reached: no connection was established in time.")


async def test_a_name_that_no_thread_can_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the operator's limit, and sends nobody to DNS."""
    start = threading.Thread.start

    def start_others(thread: threading.Thread) -> None:
        if thread.name == "lookup":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_others)
    url = "http://astra.example"
    clients = ClientPool([AllowedURL.parse(url)])
    outcome = await AstraClient(clients, 5.0).get_backup(Connection(BaseURL.parse(url), "token"), DOCUMENT)
    await clients.close()
    assert isinstance(outcome, Failed)
    assert outcome.message == f"{url} cannot be reached: the operator has no thread left to look up its host's name."


async def test_a_connection_is_not_used_when_the_server_may_just_be_closing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle connection is closed before the five seconds after which many servers close it."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    clients = ClientPool([AllowedURL.parse(url)])
    client, connection = AstraClient(clients, 5.0), Connection(BaseURL.parse(url), "token")
    await client.get_backup(connection, DOCUMENT)
    await client.get_backup(connection, DOCUMENT)
    assert connections == 1
    monkeypatch.setattr("aiohttp.connector.monotonic", lambda: time.monotonic() + 4.5)
    await client.get_backup(connection, DOCUMENT)
    assert connections == 2
    await clients.close()
    server.close()
    await server.wait_closed()


async def test_few_large_lists_are_held_at_once(astra: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many large lists two are decoded at a time, and all of them are decoded."""
    held, most = 0, 0

    async def counted(*arguments: object) -> Listed:
        nonlocal held, most
        held += 1
        most = max(most, held)
        await asyncio.sleep(0)
        try:
            return await answers.read_list(*arguments)  # type: ignore[arg-type]
        finally:
            held -= 1

    monkeypatch.setattr(client_module, "read_list", counted)
    clients = ClientPool([AllowedURL.parse(astra.url)])
    client = AstraClient(clients, 60.0)
    body = b'{"items": [' + b",".join([b'"' + b"x" * 1000 + b'"'] * 6000) + b"]}"
    with astra.fault("*", kind="body", body=body):
        connection = Connection(BaseURL.parse(astra.url), astra.token)
        listed = await asyncio.gather(
            *(client.list_backups(connection, Collection(astra.account, astra.app), Known({})) for _ in range(6))
        )
    await clients.close()
    assert [isinstance(each, Listed) and each.size for each in listed] == [6000] * 6
    assert most <= 2

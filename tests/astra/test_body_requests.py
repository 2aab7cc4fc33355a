"""Requests whose responses wait for memory: the others succeed, and who is given up says why."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from astra_mirror.astra.bodies import Bodies
from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.body import MAX_HOLD_SECONDS, MAX_WAIT_SECONDS, MIB, SMALL, Kind
from astra_mirror.core.body_memory import GrowthResult
from astra_mirror.core.body_pools import LIST_BYTES, SINGLE_BYTES
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Failed, Known, Listed, NotFound, Observed, SyncReason
from astra_mirror.core.request_plan import Collection, Document
from astra_mirror.core.urls import AllowedURL, BaseURL
from tests.virtual_time import passes, virtual_loop

pytestmark = pytest.mark.virtual

ID = "00000000-0000-4000-8000-000000000001"
DOCUMENT = Document(ID, ID, ID)


@asynccontextmanager
async def held_lists(size: int, may_end: asyncio.Event) -> AsyncIterator[str]:
    """A server whose lists have `size` bytes and end when the test allows; single backups are small and quick."""
    item = b'"' + b"x" * 1021 + b'",'
    items = item * (size // len(item) - 1)
    body = b'{"items":[' + items + b'"' + b"x" * (size - len(items) - 14) + b'"]}'

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
            if path.endswith(b"appBackups"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body[:-1])
                await may_end.wait()
                writer.write(body[-1:])
            else:
                single = b'{"id":"' + path.rsplit(b"/", 1)[1] + b'","state":"running"}'
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(single) + single)
            await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


class Watch:
    """Records the most bytes that were held at any time."""

    def __init__(self, bodies: Bodies, awaited: int) -> None:
        self.most = 0
        self.reached = asyncio.Event()
        self._bodies = bodies
        self._awaited = awaited
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            self.most = max(self.most, self._bodies.budget.held)
            if self.most >= self._awaited:
                self.reached.set()
            await asyncio.sleep(0)

    def stop(self) -> None:
        """Stop recording."""
        self._task.cancel()


async def test_held_lists_of_one_tenant() -> None:
    """Eighty lists that do not end stay within the budget, and other requests succeed."""
    may_end, bodies = asyncio.Event(), Bodies()
    virtual_loop().stand_still()
    async with held_lists(4 * MIB, may_end) as url:
        clients = ClientPool([AllowedURL.parse(url)])
        client, connection = AstraClient(clients, 600.0, bodies), Connection(BaseURL.parse(url), "a-good-token")
        watch = Watch(bodies, 60 * MIB)
        lists = [
            asyncio.create_task(
                client.list_backups(connection, Collection(ID, f"app{number}"), Known({}), namespace="hostile")
            )
            for number in range(80)
        ]
        await watch.reached.wait()
        other = Connection(BaseURL.parse(url), "another-token")
        for _ in range(20):
            assert isinstance(await client.get_backup(other, DOCUMENT, namespace="good"), Observed)
            assert isinstance(await client.get_backup(connection, DOCUMENT, namespace="hostile"), Observed)
        may_end.set()
        outcomes = await asyncio.gather(*lists)
        watch.stop()
        await clients.close()
    assert all(isinstance(each, Listed) for each in outcomes)
    assert watch.most <= LIST_BYTES + SINGLE_BYTES
    assert bodies.budget.held == 0


async def test_an_answer_that_is_given_up_is_unreachable_and_says_why() -> None:
    """An evicted body is Unreachable, and the message says that the server sent it too slowly."""
    may_end, bodies = asyncio.Event(), Bodies()
    virtual_loop().stand_still()
    async with held_lists(64 * MIB, may_end) as url:
        clients = ClientPool([AllowedURL.parse(url)])
        client = AstraClient(clients, 60.0, bodies)
        watch = Watch(bodies, 63 * MIB)
        first, second = (
            asyncio.create_task(
                client.list_backups(
                    Connection(BaseURL.parse(url), f"token-{each}"), Collection(ID, ID), Known({}), namespace=each
                )
            )
            for each in ("hostile", "good")
        )
        await watch.reached.wait()
        virtual_loop().pass_time(MAX_HOLD_SECONDS + 1)
        outcome = await (await _first(first, second))
        assert isinstance(outcome, Failed)
        assert outcome.reason is SyncReason.UNREACHABLE
        assert "too slowly" in outcome.message
        may_end.set()
        await asyncio.wait([first, second])
        watch.stop()
        await clients.close()
    assert {type(each.result()) for each in (first, second)} == {Failed, Listed}


class NoticingBodies(Bodies):
    """A budget that no small body has memory in until the test allows, and which notices when one waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = asyncio.Event()
        self._fillers = list[int]()
        while not self._fillers or self.grow(self._fillers[-1], SMALL) is GrowthResult.GRANTED:
            self._fillers.append(self.budget.enter(Kind.SINGLE, (f"n{len(self._fillers) % 8}", "c"), 0.0))
            self.budget.complete(self._fillers[-1])
        self.budget.leave(self._fillers.pop())
        self.waits.clear()

    def grow(self, number: int, size: int) -> GrowthResult:
        """As of any budget."""
        result = super().grow(number, size)
        if result is GrowthResult.WAITS:
            self.waits.set()
        return result

    def make_room(self) -> None:
        """Let small bodies have memory."""
        while self._fillers:
            self.budget.leave(self._fillers.pop())
        self.allocate()


@asynccontextmanager
async def not_found() -> AsyncIterator[str]:
    """A server that has no backup, and says so."""
    body = b'{"type":"https://astra.netapp.io/problems/2","title":"Resource not found","detail":"gone","status":"404"}'
    head = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def waiting_for_memory(bodies: NoticingBodies) -> AsyncIterator["asyncio.Task[Answer]"]:
    """A request whose response, a 404, waits for memory."""
    virtual_loop().stand_still()
    async with not_found() as url:
        clients = ClientPool([AllowedURL.parse(url)])
        client, connection = AstraClient(clients, 10.0, bodies), Connection(BaseURL.parse(url), "a-good-token")
        request = asyncio.create_task(client.get_backup(connection, DOCUMENT, namespace="mine"))
        await bodies.waits.wait()
        yield request
        await request
        await clients.close()


async def test_an_error_whose_body_has_to_wait_for_memory_is_read_all_the_same() -> None:
    """Neither the time-out of the request nor that of an error's body goes on while the body waits."""
    bodies = NoticingBodies()
    async with waiting_for_memory(bodies) as request:
        virtual_loop().pass_time(60.0)
        await passes(10)
        assert not request.done()
        bodies.make_room()
    assert isinstance(request.result(), NotFound)
    assert bodies.budget.held == 0


async def test_an_error_whose_body_gets_no_memory_is_unreachable_and_says_why() -> None:
    """A 404 means that the backup does not exist if its body says so, and nothing if that has not been read."""
    async with waiting_for_memory(NoticingBodies()) as request:
        virtual_loop().pass_time(MAX_WAIT_SECONDS + 1.0)
    outcome = request.result()
    assert isinstance(outcome, Failed)
    assert outcome.reason is SyncReason.UNREACHABLE
    assert "too many answers wait for memory" in outcome.message
    assert outcome.code is None


async def _first(*tasks: "asyncio.Task[Listed | Failed]") -> "asyncio.Task[Listed | Failed]":
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return done.pop()

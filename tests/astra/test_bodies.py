"""The memory for bodies is bounded, and the bodies of one tenant do not block those of others."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from astra_mirror.astra.answers import AnswerError
from astra_mirror.astra.bodies import MAX_DOCUMENT, Bodies, Reservation
from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.body import MAX_HOLD_SECONDS, MAX_WAIT_SECONDS, MIB, SMALL, Kind
from astra_mirror.core.body_memory import GrowthResult
from astra_mirror.core.body_pools import LIST_BYTES, SINGLE_BYTES
from astra_mirror.core.body_waiting import MAX_WAITING_FOR_NAMESPACE
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed, Known, Listed, NotFound, Observed, SyncReason
from astra_mirror.core.request_plan import Collection, Document
from astra_mirror.core.urls import AllowedURL, BaseURL
from tests.virtual_time import passes, virtual_loop

pytestmark = pytest.mark.virtual

ID = "00000000-0000-4000-8000-000000000001"
DOCUMENT = Document(ID, ID, ID)


class Stream:
    """A body whose chunks the test sends."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()

    def send(self, *chunks: bytes) -> None:
        """Send chunks; an empty one ends the body."""
        for each in chunks:
            self._chunks.put_nowait(each)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self._chunks.get():
            yield chunk


class Receiving:
    """A task that receives one body."""

    def __init__(self, bodies: Bodies, namespace: str, kind: Kind = Kind.LIST, encoding: str = "identity") -> None:
        self.stream = Stream()
        self.reservation: Reservation | None = None
        self.deadline = asyncio.timeout(60)
        self.read = asyncio.Event()
        self.task = asyncio.create_task(self._receive(bodies, namespace, kind, encoding))

    async def _receive(self, bodies: Bodies, namespace: str, kind: Kind, encoding: str) -> int:
        async with self.deadline:
            with bodies.reserve((namespace, "c"), self.deadline) as self.reservation:
                body = await self.reservation.receive(aiter(self.stream), kind, encoding=encoding)
                await self.read.wait()
                return sum(map(len, body))


@pytest.fixture
def bodies() -> Bodies:
    """A budget without bodies."""
    return Bodies()


async def idle() -> None:
    """Wait until every task waits; no time passes."""
    await asyncio.sleep(0.001)


CHUNK = b" " * SMALL


async def test_the_time_out_stands_still_while_a_body_waits_for_room(bodies: Bodies) -> None:
    """The time-out is suspended while a body waits for memory, and continues afterwards."""
    held = Receiving(bodies, "mine")
    held.stream.send(*[CHUNK] * (LIST_BYTES // SMALL))
    await idle()
    before = asyncio.get_running_loop().time() + 60
    waits = Receiving(bodies, "yours")
    waits.stream.send(*[CHUNK] * 3, b"")
    await idle()
    assert bodies.budget.held == LIST_BYTES
    assert waits.deadline.when() is None
    held.stream.send(b"")
    held.read.set()
    assert await held.task == LIST_BYTES
    await idle()
    after = waits.deadline.when()
    assert after is not None
    assert after >= before
    waits.read.set()
    assert await waits.task == 3 * SMALL
    assert bodies.budget.held == 0


async def test_who_holds_room_longest_is_ended_for_those_who_wait(bodies: Bodies) -> None:
    """The body that has held memory longest is evicted, and the others go on."""
    slow = Receiving(bodies, "mine")
    slow.stream.send(*[CHUNK] * (LIST_BYTES // SMALL))
    await idle()
    waits = Receiving(bodies, "yours")
    waits.stream.send(*[CHUNK] * 3, b"")
    await idle()
    with pytest.raises(TimeoutError):
        await slow.task
    assert slow.reservation is not None
    assert slow.reservation.is_evicted
    waits.read.set()
    assert await waits.task == 3 * SMALL


async def test_whoever_is_cancelled_while_it_waits_leaves_nothing_behind(bodies: Bodies) -> None:
    """A body that is cancelled while it waits leaves neither an entry in the queue nor memory."""
    held = Receiving(bodies, "mine")
    held.stream.send(*[CHUNK] * (LIST_BYTES // SMALL))
    await idle()
    waits = [Receiving(bodies, "yours") for _ in range(3)]
    for each in waits:
        each.stream.send(*[CHUNK] * 3)
    await idle()
    for each in (*waits, held):
        each.task.cancel()
    await asyncio.wait([each.task for each in (*waits, held)])
    assert bodies.budget.held == 0


async def test_too_many_that_wait_are_not_read(bodies: Bodies) -> None:
    """A body beyond the namespace's limit of waiting bodies fails with a message that says what follows."""
    held = Receiving(bodies, "mine")
    held.stream.send(*[CHUNK] * (LIST_BYTES // SMALL))
    await idle()
    waits = [Receiving(bodies, "yours") for _ in range(MAX_WAITING_FOR_NAMESPACE + 1)]
    for each in waits:
        each.stream.send(*[CHUNK] * 2)
    done, _ = await asyncio.wait([each.task for each in waits], return_when=asyncio.FIRST_COMPLETED)
    error = done.pop().exception()
    assert isinstance(error, AnswerError)
    assert error.reason is SyncReason.UNREACHABLE
    assert "asked for again" in str(error)
    for each in (*waits, held):
        each.task.cancel()
    await asyncio.wait([each.task for each in (*waits, held)])


async def test_a_body_that_waits_for_too_long_is_not_read(bodies: Bodies) -> None:
    """Its time-out is suspended, but it does not wait for ever: it fails as if too many waited already."""
    held = Receiving(bodies, "mine")
    held.stream.send(*[CHUNK] * (LIST_BYTES // SMALL), b"")
    await idle()
    held.deadline.reschedule(None)
    waits = Receiving(bodies, "yours")
    since = asyncio.get_running_loop().time()
    waits.stream.send(*[CHUNK] * 3)
    await asyncio.wait([waits.task], timeout=2 * MAX_WAIT_SECONDS)
    assert waits.task.done()
    assert asyncio.get_running_loop().time() == pytest.approx(since + MAX_WAIT_SECONDS)
    error = waits.task.exception()
    assert isinstance(error, AnswerError)
    assert error.reason is SyncReason.UNREACHABLE
    assert "too many answers wait for memory" in str(error)
    held.read.set()
    assert await held.task == LIST_BYTES
    assert bodies.budget.held == 0


@pytest.mark.parametrize("kind", list(Kind))
async def test_what_is_inflated_is_counted(bodies: Bodies, kind: Kind) -> None:
    """A compressed body counts by its decompressed size, and is decompressed only as memory is granted."""
    size = MAX_DOCUMENT
    receiving = Receiving(bodies, "mine", kind, "gzip")
    receiving.stream.send(gzip.compress(b" " * size), b"")
    await idle()
    assert bodies.budget.held == size
    receiving.read.set()
    assert await receiving.task == size
    assert bodies.budget.held == 0


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


async def test_an_error_whose_body_has_to_wait_for_memory_is_read_all_the_same() -> None:
    """Neither the time-out of the request nor that of an error's body goes on while the body waits."""
    bodies = NoticingBodies()
    virtual_loop().stand_still()
    async with not_found() as url:
        clients = ClientPool([AllowedURL.parse(url)])
        client, connection = AstraClient(clients, 10.0, bodies), Connection(BaseURL.parse(url), "a-good-token")
        request = asyncio.create_task(client.get_backup(connection, DOCUMENT, namespace="mine"))
        await bodies.waits.wait()
        virtual_loop().pass_time(60.0)
        await passes(10)
        assert not request.done()
        bodies.make_room()
        outcome = await request
        await clients.close()
    assert isinstance(outcome, NotFound)
    assert bodies.budget.held == 0


async def test_an_error_whose_body_gets_no_memory_is_unreachable_and_says_why() -> None:
    """A 404 means that the backup does not exist if its body says so, and nothing if that has not been read."""
    bodies = NoticingBodies()
    virtual_loop().stand_still()
    async with not_found() as url:
        clients = ClientPool([AllowedURL.parse(url)])
        client, connection = AstraClient(clients, 10.0, bodies), Connection(BaseURL.parse(url), "a-good-token")
        request = asyncio.create_task(client.get_backup(connection, DOCUMENT, namespace="mine"))
        await bodies.waits.wait()
        virtual_loop().pass_time(MAX_WAIT_SECONDS + 1.0)
        outcome = await request
        await clients.close()
    assert isinstance(outcome, Failed)
    assert outcome.reason is SyncReason.UNREACHABLE
    assert "too many answers wait for memory" in outcome.message
    assert outcome.code is None


async def _first(*tasks: "asyncio.Task[Listed | Failed]") -> "asyncio.Task[Listed | Failed]":
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return done.pop()


async def test_who_is_evicted_ends_even_if_more_of_its_body_arrives_in_that_moment(bodies: Bodies) -> None:
    """Otherwise it would wait without a time-out, as the longest holder, and all others would wait for it."""
    loop = virtual_loop()
    slow = Receiving(bodies, "mine")
    slow.stream.send(*[CHUNK] * (LIST_BYTES // SMALL // 2))
    since = loop.time()
    await idle()
    other = Receiving(bodies, "mine")
    other.stream.send(*[CHUNK] * (LIST_BYTES // SMALL // 2))
    await idle()
    waits = Receiving(bodies, "yours")
    waits.stream.send(*[CHUNK] * 3, b"")
    await idle()

    def arrives() -> None:
        # In the pass of the event loop in which it is evicted: its task goes on before the time-out can end it.
        slow.stream.send(CHUNK)
        loop.pass_time(1e-9)

    loop.call_at(since + MAX_HOLD_SECONDS - 1e-10, arrives)
    await asyncio.wait([slow.task], timeout=2 * MAX_HOLD_SECONDS)
    assert slow.reservation is not None
    assert slow.reservation.is_evicted
    assert isinstance(slow.task.exception(), TimeoutError)
    waits.read.set()
    assert await waits.task == 3 * SMALL
    other.task.cancel()
    await asyncio.wait([other.task])
    assert bodies.budget.held == 0

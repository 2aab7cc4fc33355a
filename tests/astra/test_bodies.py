"""The memory for bodies is bounded, and the bodies of one tenant do not block those of others."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest

from astra_mirror.astra.answers import AnswerError
from astra_mirror.astra.bodies import MAX_DOCUMENT, Bodies, Reservation
from astra_mirror.core.body import MAX_HOLD_SECONDS, MAX_WAIT_SECONDS, SMALL, Kind
from astra_mirror.core.body_pools import LIST_BYTES
from astra_mirror.core.body_waiting import MAX_WAITING_FOR_NAMESPACE
from astra_mirror.core.outcome import SyncReason
from tests.virtual_time import virtual_loop

pytestmark = pytest.mark.virtual


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

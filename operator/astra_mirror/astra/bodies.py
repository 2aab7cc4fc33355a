"""Receives response bodies within a limit for each body and a memory budget for all of them.

core/body_memory.py decides which body may grow. A body that may not grow is not read any further, so that TCP flow
control holds the server back, and the request's time-out is suspended while it waits, which is not for ever.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

from astra_mirror.astra.answers import AnswerError
from astra_mirror.astra.listing import WINDOW, Body
from astra_mirror.core.body import DEFAULT_EXPECTED, SMALL, Kind
from astra_mirror.core.body_memory import GrowthResult, MemoryBudget
from astra_mirror.core.fair import Path
from astra_mirror.core.outcome import SyncReason
from astra_mirror.observability.metrics import QUOTA_REFUSALS
from astra_mirror.support.scheduler import Timer, monotonic

MAX_DOCUMENT: Final = 1024 * 1024
MAX_LIST: Final = 64 * 1024 * 1024
QUOTA: Final = "bodies"
"""The label of this quota in the metric."""
_RATIO: Final = 16
"""A typical compression ratio of JSON documents of this kind."""
_NAMED: Final = frozenset({"br", "compress", "deflate", "zstd"})
"""Encodings that a message may name. Any other value of the header is text of the server, which is not shown."""


class NoMemoryError(AnswerError):
    """The response was not read, because too many bodies wait for memory: nothing is known of what it says."""


class Reservation:
    """The memory reserved for one body. The request's `deadline` is suspended while the body waits for more."""

    def __init__(self, bodies: "Bodies", path: Path, deadline: asyncio.Timeout) -> None:
        self.number: int | None = None
        self.status: int | None = None
        self.is_evicted = False
        self.decided: asyncio.Future[GrowthResult] | None = None
        self._bodies = bodies
        self._path = path
        self._deadline = deadline
        self._deadlines = [deadline]

    async def receive(
        self,
        chunks: AsyncIterator[bytes],
        kind: Kind,
        *,
        encoding: str = "identity",
        length: str = "",
        within: asyncio.Timeout | None = None,
    ) -> Body:
        """The decompressed body in pieces, because allocating and copying 64 MiB at once would block the event loop.

        Args:
            chunks: the body as it arrives.
            kind: what it is the body of.
            encoding: the header Content-Encoding.
            length: the header Content-Length.
            within: a time-out of this body alone, which is suspended as the request's is.

        Raises:
            AnswerError: the body is too large or badly compressed.
            NoMemoryError: too many bodies wait for memory, or this one has waited for too long.
            TimeoutError: the request's deadline has passed; `is_evicted` says whether the reservation was evicted.
        """
        self._deadlines += [] if within is None else [within]
        limit = MAX_LIST if kind is Kind.LIST else MAX_DOCUMENT
        encoding = encoding.strip().lower()
        self.number = self._bodies.enter(self, kind, self._path, _expected(length, encoding))
        windows, window, size = list[bytes](), bytearray(), 0
        async for chunk in _decoded(chunks, encoding):
            size += len(chunk)
            if size > limit:
                raise AnswerError(SyncReason.UNEXPECTED_RESPONSE, f"The answer is larger than {limit // 1024} KiB.")
            await self._grow(len(chunk))
            window += chunk
            while len(window) >= WINDOW:
                windows.append(bytes(window[:WINDOW]))
                del window[:WINDOW]
        self._bodies.budget.complete(self.number)
        return [*windows, bytes(window)]

    def leave(self) -> None:
        """Release the memory."""
        if self.number is not None:
            self._bodies.leave(self.number)
            self.number = None

    def evict(self) -> None:
        """End the request at once, so that its memory becomes free for others."""
        if not self.is_evicted and not self._deadline.expired():
            self.is_evicted = True
            QUOTA_REFUSALS.labels(QUOTA).inc()
            self._deadline.reschedule(monotonic())

    async def _grow(self, size: int) -> None:
        if self.number is None or not size:
            return
        result = self._bodies.grow(self.number, size)
        if result is GrowthResult.WAITS:
            result = await self._wait()
        if result is GrowthResult.REFUSED:
            QUOTA_REFUSALS.labels(QUOTA).inc()
            raise NoMemoryError(
                SyncReason.UNREACHABLE,
                "The answer was not read, because too many answers wait for memory. It is asked for again later.",
            )

    async def _wait(self) -> GrowthResult:
        now = monotonic()
        left = [(each, ends - now) for each in self._deadlines if (ends := each.when()) is not None]
        if not self.is_evicted:
            # Once evicted, a body is ended by its time-out alone.
            for each, _ in left:
                each.reschedule(None)
        self.decided = asyncio.get_running_loop().create_future()
        try:
            # `allocate` may grant the memory at once, so `decided` has to exist before it runs.
            self._bodies.allocate()
            return await self.decided
        finally:
            self.decided = None
            if not self.is_evicted and not self._deadline.expired():
                for each, seconds in left:
                    each.reschedule(monotonic() + seconds)


class Bodies:
    """All bodies that are being received or read, and the memory budget that they share."""

    def __init__(self) -> None:
        self.budget = MemoryBudget()
        self._reservations: dict[int, Reservation] = {}
        self._timer = Timer(self.allocate)

    @contextmanager
    def reserve(self, path: Path, deadline: asyncio.Timeout) -> Iterator[Reservation]:
        """A reservation for one body, until it has been read.

        Args:
            path: the namespace that the request is made for, and the connection.
            deadline: the time-out of the request.
        """
        reservation = Reservation(self, path, deadline)
        try:
            yield reservation
        finally:
            reservation.leave()

    def enter(self, reservation: Reservation, kind: Kind, path: Path, expected: int) -> int:
        """Register a body in the budget; return its number."""
        number = self.budget.enter(kind, path, monotonic(), expected)
        self._reservations[number] = reservation
        return number

    def grow(self, number: int, size: int) -> GrowthResult:
        """Request `size` more bytes for a body."""
        return self.budget.grow(number, size, monotonic())

    def leave(self, number: int) -> None:
        """Release the memory of a body."""
        del self._reservations[number]
        self.budget.leave(number)
        self.allocate()

    def allocate(self) -> None:
        """Resume the bodies that may grow, and end those that have waited for too long or block others."""
        self._timer.cancel()
        granted, evicted, refused, next_check_at = self.budget.allocate(monotonic())
        results = dict.fromkeys(granted, GrowthResult.GRANTED) | dict.fromkeys(refused, GrowthResult.REFUSED)
        for number, result in results.items():
            future = self._reservations[number].decided
            if future is not None and not future.done():
                future.set_result(result)
        for number in evicted:
            self._reservations[number].evict()
        if next_check_at is not None:
            self._timer.set(next_check_at)


def _expected(length: str, encoding: str) -> int:
    if not (length.isascii() and length.isdigit() and len(length) < 16):
        return DEFAULT_EXPECTED
    return int(length) * (_RATIO if encoding in {"gzip", "x-gzip"} else 1)


def _decoded(chunks: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """The decompressed body in chunks of bounded size, which aiohttp's own decompression would not have."""
    match encoding:
        case "identity" | "":
            return chunks
        case "gzip" | "x-gzip":
            return _inflated(chunks)
        case _:
            named = f" with {encoding!r}" if encoding in _NAMED else " in a way"
            raise AnswerError(
                SyncReason.UNEXPECTED_RESPONSE,
                f"The answer is compressed{named}, which nobody asked for (header Content-Encoding).",
            )


async def _inflated(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        async for chunk in chunks:
            while chunk and not inflater.eof:
                # A few kilobytes may expand to many megabytes.
                yield inflater.decompress(chunk, SMALL)
                chunk = inflater.unconsumed_tail  # noqa: PLW2901 - what is left of the chunk
                if chunk:
                    await asyncio.sleep(0)
    except zlib.error:
        raise AnswerError(SyncReason.UNEXPECTED_RESPONSE, "The answer is not valid gzip.") from None
    if not inflater.eof:
        raise AnswerError(SyncReason.UNEXPECTED_RESPONSE, "The answer is a gzip stream that ends too early.")

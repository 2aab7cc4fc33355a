"""Receives bodies, each as large as it may be and all of them together as large as the memory has room for.

core.room decides who may have how much. Here is what waits: a body that gets no room is not read on, so that its server
has to wait, and its time-out stands still meanwhile.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

import httpx

from astra_mirror.astra.answers import AnswerError
from astra_mirror.astra.listing import WINDOW, Body
from astra_mirror.core.body import EXPECTED, SMALL, Kind
from astra_mirror.core.body_memory import Grown, Room
from astra_mirror.core.fair import Path
from astra_mirror.core.outcome import SyncReason
from astra_mirror.observability.metrics import QUOTA_REFUSALS
from astra_mirror.support.scheduler import Timer, monotonic

MAX_DOCUMENT: Final = 1024 * 1024
MAX_LIST: Final = 64 * 1024 * 1024
QUOTA: Final = "bodies"
"""The bound's name in the metric."""
_RATIO: Final = 16
"""About how many bytes of JSON come out of one that is compressed; documents of one kind are much alike."""
_NAMED: Final = frozenset({"br", "compress", "deflate", "zstd"})
"""Encodings that a message names; any other value of the header is the server's own words."""


class Hold:
    """The room of one body. Its request's `deadline` stands still while it waits for more."""

    def __init__(self, bodies: "Bodies", path: Path, deadline: asyncio.Timeout) -> None:
        self.number: int | None = None
        self.status: int | None = None
        self.is_ended = False
        self.granted: asyncio.Future[None] | None = None
        self._bodies = bodies
        self._path = path
        self._deadline = deadline

    async def receive(self, response: httpx.Response, kind: Kind) -> Body:
        """The body, decompressed, in pieces: to find room for 64 MiB, and to copy them there, takes too long at a time.

        Raises:
            AnswerError: it is too large, badly compressed, or there is no room for it.
            TimeoutError: it was ended for the others' sake (`is_ended`); from the request's deadline.
        """
        limit = MAX_LIST if kind is Kind.LIST else MAX_DOCUMENT
        self.number = self._bodies.enter(self, kind, self._path, _expected(response))
        windows: list[bytes] = []
        window = bytearray()
        size = 0
        async for chunk in _decoded(response):
            size += len(chunk)
            if size > limit:
                raise AnswerError(SyncReason.UNEXPECTED_RESPONSE, f"The answer is larger than {limit // 1024} KiB.")
            await self._grow(len(chunk))
            window += chunk
            while len(window) >= WINDOW:
                windows.append(bytes(window[:WINDOW]))
                del window[:WINDOW]
        self._bodies.room.complete(self.number)
        return [*windows, bytes(window)]

    def leave(self) -> None:
        """Give the room back."""
        if self.number is not None:
            self._bodies.leave(self.number)
            self.number = None

    def end(self) -> None:
        """End the request, wherever it is."""
        if not self.is_ended and not self._deadline.expired():
            self.is_ended = True
            QUOTA_REFUSALS.labels(QUOTA).inc()
            self._deadline.reschedule(monotonic())

    async def _grow(self, size: int) -> None:
        if self.number is None or not size:
            return
        match self._bodies.grow(self.number, size):
            case Grown.REFUSED:
                QUOTA_REFUSALS.labels(QUOTA).inc()
                raise AnswerError(
                    SyncReason.UNREACHABLE,
                    "The answer was not read, because too many answers wait for memory. It is asked for again later.",
                )
            case Grown.WAITS:
                await self._wait()
            case Grown.GRANTED:
                pass

    async def _wait(self) -> None:
        ends = self._deadline.when()
        left = None if ends is None else ends - monotonic()
        self._deadline.reschedule(None)
        self.granted = asyncio.get_running_loop().create_future()
        try:
            # Only now there is a future that `settle` can resolve.
            self._bodies.settle()
            await self.granted
        finally:
            self.granted = None
            if left is not None and not self.is_ended and not self._deadline.expired():
                self._deadline.reschedule(monotonic() + left)


class Bodies:
    """All bodies that are being received or read, and the room that they share."""

    def __init__(self) -> None:
        self.room = Room()
        self._holds: dict[int, Hold] = {}
        self._timer = Timer(self.settle)

    @contextmanager
    def hold(self, path: Path, deadline: asyncio.Timeout) -> Iterator[Hold]:
        """Room for one body, until it has been read.

        Args:
            path: the namespace for which it was asked, and the connection.
            deadline: ends the request.
        """
        hold = Hold(self, path, deadline)
        try:
            yield hold
        finally:
            hold.leave()

    def enter(self, hold: Hold, kind: Kind, path: Path, expected: int) -> int:
        """The number of a new body."""
        number = self.room.enter(kind, path, monotonic(), expected)
        self._holds[number] = hold
        return number

    def grow(self, number: int, size: int) -> Grown:
        """Ask for more room."""
        return self.room.grow(number, size, monotonic())

    def leave(self, number: int) -> None:
        """Forget a body."""
        del self._holds[number]
        self.room.leave(number)
        self.settle()

    def settle(self) -> None:
        """Let bodies grow where there is room, and end those that are in the way."""
        self._timer.cancel()
        granted, ended, again_at = self.room.settle(monotonic())
        for number in granted:
            future = self._holds[number].granted
            if future is not None and not future.done():
                future.set_result(None)
        for number in ended:
            self._holds[number].end()
        if again_at is not None:
            self._timer.set(again_at)


def _encoding(response: httpx.Response) -> str:
    return str(response.headers.get("Content-Encoding", "identity")).strip().lower()


def _expected(response: httpx.Response) -> int:
    declared = response.headers.get("Content-Length", "")
    if not (declared.isascii() and declared.isdigit() and len(declared) < 16):
        return EXPECTED
    return int(declared) * (_RATIO if _encoding(response) == "gzip" else 1)


def _decoded(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body as it was before it was compressed; httpx would inflate a chunk before anybody could see its size."""
    match _encoding(response):
        case "identity":
            return response.aiter_raw()
        case "gzip":
            return _inflated(response.aiter_raw())
        case encoding:
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
                # A few kilobytes may stand for many megabytes.
                yield inflater.decompress(chunk, SMALL)
                chunk = inflater.unconsumed_tail  # noqa: PLW2901 - what is left of the chunk
                if chunk:
                    await asyncio.sleep(0)
    except zlib.error:
        raise AnswerError(SyncReason.UNEXPECTED_RESPONSE, "The answer is not valid gzip.") from None
    if not inflater.eof:
        raise AnswerError(SyncReason.UNEXPECTED_RESPONSE, "The answer is a gzip stream that ends too early.")

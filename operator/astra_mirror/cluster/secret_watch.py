"""Follows the Secrets of one name for as long as it is asked to: lists them, watches them, and begins anew.

No error ends it. A connection that breaks is taken up where it broke; any answer that is an error leads to a new list.
So does the time: what a watch has kept back shows in a list, which is made every few minutes.
While the API server is away nothing is asked, and after its return many such followers begin by turns.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass
from typing import Final, Protocol

from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.secret_wire import Page, ReadError, TooLargeError, WatchEvent
from astra_mirror.core.restart import RestartDelay
from astra_mirror.core.secret_content import Content
from astra_mirror.core.secret_names import Pair, Watched
from astra_mirror.support.slots import Slots

_WATCH_SECONDS: Final = 38
"""A watch is this short so that a dead connection is noticed within a minute: bookmarks come once a minute."""
_SPREAD_SECONDS: Final = 8
"""Watches that began together end apart, by as much as this."""
_MIN_WATCH_SECONDS: Final = 1.0
"""A server that ends each stream at once is not asked more often than this."""
_LIST_SECONDS: Final = 300.0
"""After a list the next one is made within this time, though no watch has failed; names by turns, not all at once."""
_FIRST_LIMIT: Final = 64
_MAX_LIMIT: Final = 500
_SMALL_PAGE_BYTES: Final = 256 * 1024
"""After a page of this size the next one may have twice as many Secrets."""


class OpenWatch(Protocol):
    """A watch that was begun."""

    def __aiter__(self) -> AsyncIterator[WatchEvent]:
        """Its events; it ends as the server ends it, or with a ReadError."""

    def close(self) -> None:
        """Give the connection back."""


class Reads(Protocol):
    """What is needed of the API server; each method raises ReadError."""

    async def page(self, watched: Watched, limit: int, token: str | None = None) -> Page:
        """A page of a list."""

    async def get(self, pair: Pair) -> Content | None:
        """One Secret."""

    async def watch(self, watched: Watched, version: str, seconds: int) -> OpenWatch:
        """Begin to watch."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A page of a list has been asked for."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing is asked for, because the API server is away."""


@dataclass(frozen=True, slots=True)
class Read:
    """These Secrets are there; others may be."""

    found: Mapping[Pair, Content]


@dataclass(frozen=True, slots=True)
class ReadAll:
    """The list has been read to its end, and these are all."""

    found: frozenset[Pair]


@dataclass(frozen=True, slots=True)
class Watching:
    """A watch has begun."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A Secret was written, or deleted where `content` is None."""

    pair: Pair
    content: Content | None


@dataclass(frozen=True, slots=True)
class Broken:
    """The list or the watch ended with an error, and is begun again in a while."""

    error: ReadError
    in_list: bool


News = Asking | Waiting | Read | ReadAll | Watching | Changed | Broken


class Follower:
    """Lists and watches the Secrets of one name.

    Args:
        reads: the API server.
        watched: which Secrets.
        availability: whether the API server is away.
        slots: where calls wait for their turn, those of the default name excepted.
        owner: the namespace whose turn it takes.
    """

    def __init__(self, reads: Reads, watched: Watched, *, availability: Availability, slots: Slots, owner: str) -> None:
        self._reads = reads
        self._watched = watched
        self._availability = availability
        self._slots = slots
        self._owner = owner
        self._version: str | None = None
        self._limit = _FIRST_LIMIT
        self._delay = RestartDelay()
        spread = zlib.crc32(repr(watched).encode())
        self._seconds = _WATCH_SECONDS + spread % _SPREAD_SECONDS
        self._until_list = _LIST_SECONDS - self._seconds - spread % self._seconds
        self._list_at = 0.0

    async def news(self) -> AsyncGenerator[News, None]:
        """What becomes known, without end."""
        loop = asyncio.get_running_loop()
        while True:
            if self._availability.is_away:
                yield Waiting()
                await self._availability.wait_until_back()
            begun = loop.time()
            in_list = self._version is None or begun >= self._list_at
            try:
                async with aclosing(self._list() if in_list else self._watch()) as part:
                    async for each in part:
                        yield each
            except ReadError as error:
                if error.is_suspicious:
                    self._availability.suspect()
                # Of a list that was made for safety nothing has come: the watch goes on.
                is_spare = in_list and self._version is not None
                if is_spare:
                    self._list_at = loop.time() + self._until_list
                elif error.status is not None:
                    self._version = None
                yield Broken(error, in_list and not is_spare)
                await asyncio.sleep(self._delay.after(loop.time() - begun))

    async def _list(self) -> AsyncGenerator[News, None]:
        found: set[Pair] = set()
        token: str | None = None
        while True:
            page: Page | None = None
            async with self._slot():
                if self._version is None:
                    yield Asking()
                try:
                    page = await self._reads.page(self._watched, self._limit, token)
                except TooLargeError:
                    if self._limit == 1:
                        raise
                    self._limit = max(self._limit // 8, 1)
            if page is None:
                continue
            if page.size < _SMALL_PAGE_BYTES:
                self._limit = min(self._limit * 2, _MAX_LIMIT)
            found.update(page.found)
            # What is known now is newer than what the watch would go on from.
            self._version = None
            yield Read(page.found)
            version, token = page.version, page.token
            if token is None:
                break
        yield ReadAll(frozenset(found))
        self._version = version
        self._list_at = asyncio.get_running_loop().time() + self._until_list

    async def _watch(self) -> AsyncGenerator[News, None]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with self._slot():
            stream = await self._reads.watch(self._watched, self._version or "", self._seconds)
        try:
            yield Watching()
            async for event in stream:
                if event.pair is not None:
                    yield Changed(event.pair, event.content)
                self._version = event.version
        finally:
            stream.close()
        self._delay.succeeded()
        await asyncio.sleep(max(_MIN_WATCH_SECONDS - (loop.time() - begun), 0.0))

    def _slot(self) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._watched.is_default else self._slots.take(self._owner)

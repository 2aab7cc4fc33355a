"""Lists and watches the Secrets of one name until it is cancelled, as client-go's reflector does.

No error ends it. After a lost connection the watch resumes at the last resourceVersion; after an error response the
Secrets are listed anew. They are also listed every few minutes, in case a watch has lost an event. While the API server
is away no request is made, and after its return the reflectors resume a few at a time.
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
from astra_mirror.core.secret_names import NamespacedName, SecretSelector
from astra_mirror.support.slots import Slots

_WATCH_SECONDS: Final = 38
"""Shorter than the minute between bookmarks, so that a dead connection is noticed within a minute."""
_SPREAD_SECONDS: Final = 8
"""Each name adds up to this many seconds, so that watches which began together do not end together."""
_MIN_WATCH_SECONDS: Final = 1.0
"""The least time between two watches, for a server that ends each stream at once."""
_LIST_SECONDS: Final = 300.0
"""The longest time between two lists while no watch fails; the names are listed at different times within it."""
_FIRST_LIMIT: Final = 64
_MAX_LIMIT: Final = 500
_SMALL_PAGE_BYTES: Final = 256 * 1024
"""After a page smaller than this the next page may have twice as many Secrets."""


class OpenWatch(Protocol):
    """An open watch."""

    def __aiter__(self) -> AsyncIterator[WatchEvent]:
        """The events; the iterator ends when the server ends the watch, or raises ReadError."""

    def close(self) -> None:
        """Close the connection."""


class SecretReader(Protocol):
    """Reads Secrets from the API server; each method may raise ReadError."""

    async def page(self, selector: SecretSelector, limit: int, token: str | None = None) -> Page:
        """One page of a list."""

    async def get(self, secret: NamespacedName) -> Content | None:
        """One Secret."""

    async def watch(self, selector: SecretSelector, version: str, seconds: int) -> OpenWatch:
        """Open a watch."""


@dataclass(frozen=True, slots=True)
class ListStarted:
    """A page of a list is being requested."""


@dataclass(frozen=True, slots=True)
class Paused:
    """No request is made, because the API server is away."""


@dataclass(frozen=True, slots=True)
class PageRead:
    """A page of a list was read: these Secrets exist, and others may exist."""

    found: Mapping[NamespacedName, Content]


@dataclass(frozen=True, slots=True)
class ListCompleted:
    """The list was read to its end: no other Secrets exist."""

    found: frozenset[NamespacedName]


@dataclass(frozen=True, slots=True)
class WatchStarted:
    """A watch was opened."""


@dataclass(frozen=True, slots=True)
class SecretChanged:
    """A Secret was written, or deleted where `content` is None."""

    secret: NamespacedName
    content: Content | None


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """The list or the watch ended with an error. It is retried after a delay."""

    error: ReadError
    in_list: bool


ReflectorEvent = ListStarted | Paused | PageRead | ListCompleted | WatchStarted | SecretChanged | ReadFailed


class Reflector:
    """Lists and watches the Secrets of one name.

    Args:
        reader: reads Secrets from the API server.
        selector: which Secrets.
        availability: whether the API server is away.
        slots: the concurrency slots for calls; calls for the default name take none.
        owner: the namespace that the slots are counted for.
    """

    def __init__(
        self, reader: SecretReader, selector: SecretSelector, *, availability: Availability, slots: Slots, owner: str
    ) -> None:
        self._reader = reader
        self._selector = selector
        self._availability = availability
        self._slots = slots
        self._owner = owner
        self._version: str | None = None
        self._limit = _FIRST_LIMIT
        self._delay = RestartDelay()
        spread = zlib.crc32(repr(selector).encode())
        self._seconds = _WATCH_SECONDS + spread % _SPREAD_SECONDS
        self._until_list = _LIST_SECONDS - self._seconds - spread % self._seconds
        self._list_at = 0.0

    async def events(self) -> AsyncGenerator[ReflectorEvent, None]:
        """What becomes known, without an end."""
        loop = asyncio.get_running_loop()
        while True:
            if self._availability.is_away:
                yield Paused()
                await self._availability.wait_until_back()
            begun = loop.time()
            in_list = self._version is None or begun >= self._list_at
            try:
                async with aclosing(self._list() if in_list else self._watch()) as part:
                    async for each in part:
                        yield each
            except ReadError as error:
                if error.suggests_outage:
                    self._availability.request_probe()
                # This list was a precaution, so its failure loses nothing: the watch goes on.
                is_precaution = in_list and self._version is not None
                if is_precaution:
                    self._list_at = loop.time() + self._until_list
                elif error.status is not None:
                    self._version = None
                yield ReadFailed(error, in_list and not is_precaution)
                await asyncio.sleep(self._delay.after(loop.time() - begun))

    async def _list(self) -> AsyncGenerator[ReflectorEvent, None]:
        found: set[NamespacedName] = set()
        token: str | None = None
        while True:
            page: Page | None = None
            async with self._slot():
                if self._version is None:
                    yield ListStarted()
                try:
                    page = await self._reader.page(self._selector, self._limit, token)
                except TooLargeError:
                    if self._limit == 1:
                        raise
                    self._limit = max(self._limit // 8, 1)
            if page is None:
                continue
            if page.size < _SMALL_PAGE_BYTES:
                self._limit = min(self._limit * 2, _MAX_LIMIT)
            found.update(page.found)
            # The page may be newer than the version at which the watch would resume.
            self._version = None
            yield PageRead(page.found)
            version, token = page.version, page.token
            if token is None:
                break
        yield ListCompleted(frozenset(found))
        self._version = version
        self._list_at = asyncio.get_running_loop().time() + self._until_list

    async def _watch(self) -> AsyncGenerator[ReflectorEvent, None]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with self._slot():
            stream = await self._reader.watch(self._selector, self._version or "", self._seconds)
        try:
            yield WatchStarted()
            async for event in stream:
                if event.secret is not None:
                    yield SecretChanged(event.secret, event.content)
                self._version = event.version
        finally:
            stream.close()
        self._delay.succeeded()
        await asyncio.sleep(max(_MIN_WATCH_SECONDS - (loop.time() - begun), 0.0))

    def _slot(self) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._selector.is_default else self._slots.take(self._owner)

"""Turns the contents of Secrets into connections: small ones at once, large ones in a thread, one after the other.

They wait for their turn, by turns over namespaces. A very large content is not held meanwhile: it is read again, alone.
The same way serves Secrets whose list cannot be read, because another Secret in it cannot be decrypted.
"""

import asyncio
from collections.abc import Callable, Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.secret_watch import Reads
from astra_mirror.cluster.secret_wire import ReadError
from astra_mirror.core.connection import Connection, connection_from, is_small
from astra_mirror.core.fair import FairQueue
from astra_mirror.core.outcome import Failed
from astra_mirror.core.secret_content import Content
from astra_mirror.core.secret_names import Pair, Watched
from astra_mirror.core.secret_reading import Finding, Reading
from astra_mirror.core.secret_table import MAX_HELD, Counted, SecretTable
from astra_mirror.core.urls import AllowedURL

_READS_PER_SECOND: Final = 20.0
_READS_AT_ONCE: Final = 4
_RETRY_SECONDS: Final = 5.0


class _Single(NamedTuple):
    """A Secret that is to be read alone; `since` is when reading it otherwise began to fail."""

    pair: Pair
    since: float | None


class SecretContents:
    """What the Secrets say.

    Args:
        reads: the API server.
        availability: whether it is away.
        allowed: the administrator's --allowed-url.
        require_tls_verification: refuse Secrets that switch it off.
        used: the Secrets that refs use; of the others only what is small is parsed.
        changed: called with a Secret about which something else is known now.
    """

    def __init__(
        self,
        reads: Reads,
        availability: Availability,
        *,
        allowed: Sequence[AllowedURL],
        require_tls_verification: bool,
        used: Container[Pair],
        changed: Callable[[Pair], None],
    ) -> None:
        self._reads = reads
        self._availability = availability
        self._allowed = allowed
        self._require_tls_verification = require_tls_verification
        self._used = used
        self._changed = changed
        self._table = SecretTable()
        self._parsed: dict[bytes, Connection | Failed] = {}
        self.last_single: float | None = None
        """When a Secret was last read alone, in the loop's time."""
        self._singles: dict[Pair, Reading] = {}
        self._queue: FairQueue[Pair, _Single] = FairQueue()
        self._under_way: set[Pair] = set()
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(_READS_AT_ONCE)
        self._thread = ThreadPoolExecutor(1, "secrets")

    def counted(self, pair: Pair) -> Counted | None:
        """What the Secret says; None where that is not known."""
        return self._table.counted(pair)

    def is_pending(self, pair: Pair) -> bool:
        """Whether there is such a Secret, and nothing that it says is known yet."""
        return self._table.is_awaited(pair)

    def finding(self, pair: Pair, now: float) -> Finding | None:
        """What counts against the reading of this Secret alone; None where it was not tried, or well."""
        reading = self._singles.get(pair)
        return reading.finding(now) if reading else None

    def offer(self, pair: Pair, content: Content | None, now: float, *, was_absent: bool) -> None:
        """Take note of what a Secret is like: see SecretTable."""
        if self._table.offer(pair, content, now, was_absent=was_absent):
            self._count(pair)

    def read_all(self, watched: Watched, found: Container[Pair], now: float) -> None:
        """A list has been read to its end: these are all."""
        for pair in self._table.of(watched):
            self._singles.pop(pair, None)
            if pair not in found:
                self.offer(pair, None, now, was_absent=True)

    def count_due(self, now: float) -> None:
        """Let those count whose time has come."""
        for pair in self._table.take_due(now):
            self._count(pair)

    def want(self, pair: Pair) -> None:
        """A ref uses it from now on."""
        if self._table.unparsed(pair) is not None:
            self._put(pair)

    def read(self, pair: Pair, since: float | None) -> None:
        """Read it alone, in its turn; `since` is when reading it in the list began to fail."""
        self._put(pair, since)

    def interrupt(self) -> None:
        """The API server is away: what it did before says nothing of single Secrets."""
        self._singles.clear()

    def drop(self, watched: Watched) -> None:
        """Forget the Secrets of a name."""
        singles = {each.pair for each in self._queue} | self._under_way | self._singles.keys()
        for pair in [each for each in singles if watched.serves(each)]:
            self.unuse(pair)
        self._table.drop(watched)

    def unuse(self, pair: Pair) -> None:
        """No ref uses it any more."""
        self._singles.pop(pair, None)
        self._queue.drop(pair)
        self._under_way.discard(pair)

    def prune(self, watched: Watched, now: float) -> None:
        """Forget what has gone and what nobody has any more."""
        self._table.prune(watched, now)
        if len(self._parsed) > 2 * len(self._table) + 64:
            digests = self._table.digests()
            self._parsed = {digest: each for digest, each in self._parsed.items() if digest in digests}

    def _put(self, pair: Pair, since: float | None = None) -> None:
        # Who has nothing yet goes before who has something that stands.
        rank = float(self.counted(pair) is not None)
        self._queue.put((pair.namespace,), pair, _Single(pair, since), rank)
        self._wake.set()

    def _count(self, pair: Pair) -> None:
        content = self._table.newest(pair)
        if content is None:
            self._settle(pair, None, None)
        elif content.digest in self._parsed:
            self._settle(pair, content.digest, self._parsed[content.digest])
        elif content.data is not None and is_small(content.data):
            self._parsed[content.digest] = result = self._parse(content)
            self._settle(pair, content.digest, result)
        else:
            self._table.keep(pair, hold=pair in self._used and len(self._queue) < MAX_HELD)
            if pair in self._used:
                self._put(pair)

    def _settle(self, pair: Pair, digest: bytes | None, result: Connection | Failed | None) -> None:
        if self._table.settle(pair, digest, result):
            self._changed(pair)

    def _parse(self, content: Content) -> Connection | Failed:
        return connection_from(
            content.data or {}, self._allowed, require_tls_verification=self._require_tls_verification
        )

    async def run(self) -> None:
        """Read what is to be read alone, by turns, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    await self._slots.acquire()
                    single = await self._next()
                    held = self._held(single)
                    tasks.create_task(self._handle(single, held))
                    if held is None:
                        await asyncio.sleep(1 / _READS_PER_SECOND)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _handle(self, single: _Single, held: Content | None) -> None:
        """Read it, or parse the content that is held; the slot is free again afterwards."""
        try:
            if held is None:
                await self._read(single)
            else:
                await self._parse_in_thread(single.pair, held)
        finally:
            self._slots.release()

    async def _next(self) -> _Single:
        while True:
            await self._availability.wait_until_back()
            taken = self._queue.take()
            if taken is not None:
                return taken.value
            self._wake.clear()
            await self._wake.wait()

    def _held(self, single: _Single) -> Content | None:
        """The content that is still to be parsed, if it need not be read for that."""
        content = self._table.unparsed(single.pair)
        return content if content is not None and content.data is not None else None

    async def _read(self, single: _Single) -> None:
        pair, loop = single.pair, asyncio.get_running_loop()
        begun = loop.time()
        self._under_way.add(pair)
        try:
            content = await self._reads.get(pair)
        except ReadError as error:
            if pair in self._under_way:
                self._failed(pair, error, begun if single.since is None else single.since)
        else:
            self.last_single = loop.time()
            # Of a name that is followed no longer nothing is kept.
            if pair in self._under_way:
                self._singles.pop(pair, None)
                self.offer(pair, content, loop.time(), was_absent=False)
                if content is not None and content == self._table.unparsed(pair):
                    await self._parse_in_thread(pair, content)
        finally:
            self._under_way.discard(pair)

    def _failed(self, pair: Pair, error: ReadError, since: float) -> None:
        now = asyncio.get_running_loop().time()
        if error.is_suspicious:
            self._availability.suspect()
        reading = self._singles.get(pair, Reading())
        self._singles[pair] = reading.refused(now) if error.is_refusal else reading.failed(since)
        self._table.postpone(pair, now + _RETRY_SECONDS)
        self._changed(pair)

    async def _parse_in_thread(self, pair: Pair, content: Content) -> None:
        self._queue.drop(pair)
        if content.digest not in self._parsed:
            loop = asyncio.get_running_loop()
            self._parsed[content.digest] = await loop.run_in_executor(self._thread, self._parse, content)
        self._settle(pair, content.digest, self._parsed[content.digest])

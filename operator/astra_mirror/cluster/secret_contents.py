"""Parses the contents of Secrets into connections: small ones at once, large ones one at a time in a thread.

Large contents wait in a queue that serves the namespaces in turn. A very large content is not kept while it waits: the
Secret is read again when its turn comes. Secrets whose list cannot be read pass through the same queue.
"""

import asyncio
from collections.abc import Callable, Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.secret_reflector import SecretReader
from astra_mirror.cluster.secret_wire import ReadError
from astra_mirror.core.connection import Connection, connection_from, is_small
from astra_mirror.core.fair import FairQueue
from astra_mirror.core.outcome import Failed
from astra_mirror.core.secret_content import Content
from astra_mirror.core.secret_names import NamespacedName, SecretSelector
from astra_mirror.core.secret_reading import ReadProblem, ReadState
from astra_mirror.core.secret_table import MAX_HELD, EffectiveContent, SecretTable
from astra_mirror.core.urls import AllowedURL

_READS_PER_SECOND: Final = 20.0
_READS_AT_ONCE: Final = 4
_RETRY_SECONDS: Final = 5.0


class _Single(NamedTuple):
    """A Secret in the queue; `since` is when its list began to fail, None if it did not."""

    secret: NamespacedName
    since: float | None


class SecretContents:
    """The parsed contents of Secrets.

    Args:
        reader: reads Secrets from the API server.
        availability: whether the API server is away.
        allowed: the administrator's --allowed-url.
        require_tls_verification: refuse Secrets that switch the verification of certificates off.
        used: the Secrets that refs use; of all others only small contents are parsed.
        changed: called with a Secret whose result may have changed.
    """

    def __init__(
        self,
        reader: SecretReader,
        availability: Availability,
        *,
        allowed: Sequence[AllowedURL],
        require_tls_verification: bool,
        used: Container[NamespacedName],
        changed: Callable[[NamespacedName], None],
    ) -> None:
        self._reader = reader
        self._availability = availability
        self._allowed = allowed
        self._require_tls_verification = require_tls_verification
        self._used = used
        self._changed = changed
        self._table = SecretTable()
        self._parsed: dict[bytes, Connection | Failed] = {}
        self.last_single_read_at: float | None = None
        """When a single read last succeeded, in the loop's time."""
        self._singles: dict[NamespacedName, ReadState] = {}
        self._queue: FairQueue[NamespacedName, _Single] = FairQueue()
        self._under_way: set[NamespacedName] = set()
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(_READS_AT_ONCE)
        self._thread = ThreadPoolExecutor(1, "secrets")

    def effective(self, secret: NamespacedName) -> EffectiveContent | None:
        """The content in effect; None while none is known."""
        return self._table.effective(secret)

    def is_pending(self, secret: NamespacedName) -> bool:
        """Whether the Secret exists and none of its contents is in effect yet."""
        return self._table.is_pending(secret)

    def problem(self, secret: NamespacedName, now: float) -> ReadProblem | None:
        """Why the Secret could not be read by itself; None where that was not tried, or has succeeded."""
        read_state = self._singles.get(secret)
        return read_state.problem(now) if read_state else None

    def observe(self, secret: NamespacedName, content: Content | None, now: float, *, was_absent: bool) -> None:
        """Record the content of a Secret: see `SecretTable.observe`."""
        if self._table.observe(secret, content, now, was_absent=was_absent):
            self._apply_latest(secret)

    def complete_list(self, selector: SecretSelector, found: Container[NamespacedName], now: float) -> None:
        """Record that a list was read to its end, so that all Secrets outside of `found` do not exist."""
        for secret in self._table.matching(selector):
            self._singles.pop(secret, None)
            if secret not in found:
                self.observe(secret, None, now, was_absent=True)

    def apply_due(self, now: float) -> None:
        """Put the contents in effect whose delay has ended."""
        for secret in self._table.take_due(now):
            self._apply_latest(secret)

    def start_using(self, secret: NamespacedName) -> None:
        """Record that a ref uses the Secret from now on."""
        if self._table.unparsed(secret) is not None:
            self._enqueue(secret)

    def read_single(self, secret: NamespacedName, since: float | None) -> None:
        """Read the Secret by itself, when its turn comes; `since` is when its list began to fail."""
        self._enqueue(secret, since)

    def forget_single_failures(self) -> None:
        """Forget the failures of single reads: the API server is away, and that has caused them."""
        self._singles.clear()

    def drop(self, selector: SecretSelector) -> None:
        """Forget the Secrets of a name."""
        singles = {each.secret for each in self._queue} | self._under_way | self._singles.keys()
        for secret in [each for each in singles if selector.matches(each)]:
            self.stop_using(secret)
        self._table.drop(selector)

    def stop_using(self, secret: NamespacedName) -> None:
        """Record that no ref uses the Secret any more."""
        self._singles.pop(secret, None)
        self._queue.drop(secret)
        self._under_way.discard(secret)

    def prune(self, selector: SecretSelector, now: float) -> None:
        """Forget the Secrets that no longer exist, and the parsed contents that no Secret has any more."""
        self._table.prune(selector, now)
        if len(self._parsed) > 2 * len(self._table) + 64:
            digests = self._table.digests()
            self._parsed = {digest: each for digest, each in self._parsed.items() if digest in digests}

    def _enqueue(self, secret: NamespacedName, since: float | None = None) -> None:
        # Secrets without a result come before those that have one.
        rank = float(self.effective(secret) is not None)
        self._queue.put((secret.namespace,), secret, _Single(secret, since), rank)
        self._wake.set()

    def _apply_latest(self, secret: NamespacedName) -> None:
        content = self._table.latest(secret)
        if content is None:
            self._apply(secret, None, None)
        elif content.digest in self._parsed:
            self._apply(secret, content.digest, self._parsed[content.digest])
        elif content.data is not None and is_small(content.data):
            self._parsed[content.digest] = result = self._parse(content)
            self._apply(secret, content.digest, result)
        else:
            self._table.trim(secret, hold=secret in self._used and len(self._queue) < MAX_HELD)
            if secret in self._used:
                self._enqueue(secret)

    def _apply(self, secret: NamespacedName, digest: bytes | None, result: Connection | Failed | None) -> None:
        if self._table.apply(secret, digest, result):
            self._changed(secret)

    def _parse(self, content: Content) -> Connection | Failed:
        return connection_from(
            content.data or {}, self._allowed, require_tls_verification=self._require_tls_verification
        )

    async def run(self) -> None:
        """Work through the queue until cancelled: read or parse each Secret when its turn comes."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    await self._slots.acquire()
                    single = await self._next_single()
                    held = self._held_content(single)
                    tasks.create_task(self._handle(single, held))
                    if held is None:
                        await asyncio.sleep(1 / _READS_PER_SECOND)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _handle(self, single: _Single, held: Content | None) -> None:
        """Read the Secret, or parse the content that was kept, and release the slot."""
        try:
            if held is None:
                await self._read_single(single)
            else:
                await self._parse_in_thread(single.secret, held)
        finally:
            self._slots.release()

    async def _next_single(self) -> _Single:
        while True:
            await self._availability.wait_until_back()
            taken = self._queue.take()
            if taken is not None:
                return taken.value
            self._wake.clear()
            await self._wake.wait()

    def _held_content(self, single: _Single) -> Content | None:
        """The content to parse, if it was kept; None where the Secret has to be read again."""
        content = self._table.unparsed(single.secret)
        return content if content is not None and content.data is not None else None

    async def _read_single(self, single: _Single) -> None:
        secret, loop = single.secret, asyncio.get_running_loop()
        begun = loop.time()
        self._under_way.add(secret)
        try:
            content = await self._reader.get(secret)
        except ReadError as error:
            if secret in self._under_way:
                self._failed(secret, error, begun if single.since is None else single.since)
        else:
            self.last_single_read_at = loop.time()
            # The name may have been dropped while the request was under way.
            if secret in self._under_way:
                self._singles.pop(secret, None)
                self.observe(secret, content, loop.time(), was_absent=False)
                if content is not None and content == self._table.unparsed(secret):
                    await self._parse_in_thread(secret, content)
        finally:
            self._under_way.discard(secret)

    def _failed(self, secret: NamespacedName, error: ReadError, since: float) -> None:
        now = asyncio.get_running_loop().time()
        if error.suggests_outage:
            self._availability.request_probe()
        read_state = self._singles.get(secret, ReadState())
        self._singles[secret] = read_state.refused(now) if error.is_refusal else read_state.failed(since)
        self._table.postpone(secret, now + _RETRY_SECONDS)
        self._changed(secret)

    async def _parse_in_thread(self, secret: NamespacedName, content: Content) -> None:
        self._queue.drop(secret)
        if content.digest not in self._parsed:
            loop = asyncio.get_running_loop()
            self._parsed[content.digest] = await loop.run_in_executor(self._thread, self._parse, content)
        self._apply(secret, content.digest, self._parsed[content.digest])

"""Concurrency slots, granted round robin over keys, so that one tenant's slow work does not take every free slot."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from itertools import count

from astra_mirror.core.fair import FairQueue


class Slots:
    """Concurrency slots, each of which a task holds during an `async with` block. Waiting keys are served in turn.

    Args:
        number: the number of slots.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: FairQueue[int, asyncio.Future[None]] = FairQueue()
        self._numbers = count()

    @asynccontextmanager
    async def take(self, key: Hashable) -> AsyncIterator[None]:
        """Wait for a slot, and hold it."""
        number, granted = next(self._numbers), asyncio.get_running_loop().create_future()
        self._waiting.put((key,), number, granted)
        self._give()
        try:
            await granted
            yield
        finally:
            self._waiting.drop(number)
            if granted.done() and not granted.cancelled():
                self._free += 1
                self._give()

    def _give(self) -> None:
        while self._free and (taken := self._waiting.take()) is not None:
            # A future whose task was cancelled may still be in the queue.
            if not taken.value.done():
                self._free -= 1
                taken.value.set_result(None)

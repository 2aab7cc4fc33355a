"""Concurrency slots that are given by turns, so that one tenant's slow work leaves the next free slot to another."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from itertools import count

from astra_mirror.core.fair import FairQueue


class Slots:
    """Slots that tasks hold for the time of an `async with` block; the keys that wait for one have turns.

    Args:
        number: how many there are.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: FairQueue[int, asyncio.Future[None]] = FairQueue()
        self._numbers = count()

    @asynccontextmanager
    async def take(self, key: Hashable) -> AsyncIterator[None]:
        """Wait for a slot, and hold it."""
        number, turn = next(self._numbers), asyncio.get_running_loop().create_future()
        self._waiting.put((key,), number, turn)
        self._give()
        try:
            await turn
            yield
        finally:
            self._waiting.drop(number)
            if turn.done() and not turn.cancelled():
                self._free += 1
                self._give()

    def _give(self) -> None:
        while self._free and (taken := self._waiting.take()) is not None:
            # A task that was cancelled in this moment has not been able to leave the queue yet.
            if not taken.value.done():
                self._free -= 1
                taken.value.set_result(None)

"""Concurrency slots that are given by turns, so that one tenant's slow calls leave the next free slot to another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from astra_mirror.core.fair import FairQueue


class Slots:
    """A number of slots for calls, given by turns over their owners."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._order = count()
        self._queue: FairQueue[int, asyncio.Future[None]] = FairQueue()

    @asynccontextmanager
    async def taken(self, owner: str) -> AsyncIterator[None]:
        """Hold a slot for the time of a `with` block; wait for it first."""
        await self._take(owner)
        try:
            yield
        finally:
            self._free += 1
            self._give()

    async def _take(self, owner: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        number = next(self._order)
        self._queue.put((owner,), number, turn)
        self._give()
        try:
            await turn
        except asyncio.CancelledError:
            self._queue.drop(number)
            if turn.done() and not turn.cancelled():
                self._free += 1
                self._give()
            raise

    def _give(self) -> None:
        while self._free and (taken := self._queue.take()) is not None:
            if not taken.value.done():
                self._free -= 1
                taken.value.set_result(None)

"""Few at a time, by turns: what several tasks want to do and only some may do at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from itertools import count

from astra_mirror.core.fair import FairQueue


class Slots:
    """Places that tasks take for the time of an `async with` block; who waits for one has its turn by key.

    Args:
        in_all: how many there are.
        for_key: how many of them one key may take.
    """

    def __init__(self, in_all: int, for_key: int) -> None:
        self._in_all = in_all
        self._for_key = for_key
        self._taken: Counter[Hashable] = Counter()
        self._waiting: FairQueue[int, asyncio.Future[None]] = FairQueue()
        self._numbers = count()

    @asynccontextmanager
    async def take(self, key: Hashable) -> AsyncIterator[None]:
        """Wait for a place, and keep it."""
        number, turn = next(self._numbers), asyncio.get_running_loop().create_future()
        self._waiting.put((key,), number, turn)
        self._give()
        try:
            await turn
            yield
        finally:
            self._waiting.drop(number)
            if turn.done() and not turn.cancelled():
                self._taken[key] -= 1
                if not self._taken[key]:
                    del self._taken[key]
                self._give()

    def _give(self) -> None:
        while self._taken.total() < self._in_all:
            taken = self._waiting.take(lambda path: self._taken[path[0]] < self._for_key)
            if taken is None:
                return
            # Whoever has been cancelled in this moment has not been able to leave the queue yet.
            if not taken.value.done():
                self._taken[taken.path[0]] += 1
                taken.value.set_result(None)

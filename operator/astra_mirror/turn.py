"""Long work is done in pieces, so that what one tenant has plenty of holds up nobody else in the event loop."""

import asyncio
import time
from collections import deque
from typing import Final
from weakref import WeakKeyDictionary

_SECONDS: Final = 0.01
"""For how long long work may hold the event loop before others have their turn."""


class _Pieces:
    """The pieces of one event loop's long work: one a pass of the loop, in turn."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._ends = 0.0

    def joined(self) -> float:
        """When the present piece has to end, for work that begins while it lasts; zero where others wait already."""
        return 0.0 if self._waiting else self._ends

    async def next(self) -> float:
        """Wait until it is one's turn; when the piece that begins then has to end."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._give, loop)
        self._waiting.append(turn)
        await turn
        self._ends = time.monotonic() + _SECONDS
        return self._ends

    def _give(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():
                first.set_result(None)
                break
        if self._waiting:
            loop.call_soon(self._give, loop)


_pieces: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pieces] = WeakKeyDictionary()


class Turn:
    """A long work's leave to hold the event loop.

    All long work shares the 10 ms: ten answers that arrive together, each of them soon read, would otherwise hold the
    loop for ten times as long as one. Nobody starves, because who has done a piece waits behind all others.
    """

    def __init__(self) -> None:
        self._pieces = _pieces.setdefault(asyncio.get_running_loop(), _Pieces())
        self._ends = self._pieces.joined()

    async def may_end(self) -> None:
        """Go on, or when the piece has lasted long enough, let others go on first."""
        if time.monotonic() > self._ends:
            self._ends = await self._pieces.next()

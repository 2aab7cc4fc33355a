"""Long work is done in pieces, so that what one tenant has plenty of holds up nobody else in the event loop."""

import asyncio
from typing import Final
from weakref import ReferenceType, WeakKeyDictionary, ref

from astra_mirror.core.fair import FairQueue
from astra_mirror.support.scheduler import call_next, monotonic

_SECONDS: Final = 0.005
"""For how long a piece may hold the event loop before others have their turn."""
_AT_ONCE_SECONDS: Final = 0.002
"""For how long work may do so that has only begun, in each pass of the loop in which others wait for their turn."""


class _Pieces:
    """The pieces of one event loop's long work: one a pass of the loop, by turns of the namespaces."""

    def __init__(self) -> None:
        self._waiting: FairQueue[asyncio.Future[None], asyncio.Future[None]] = FairQueue()
        self._will_give = False
        # Not kept for its own sake: its result may be as large as a body, and it knows its loop.
        self._holder: ReferenceType[asyncio.Task[object]] | None = None
        self._ends = 0.0
        self._at_once_ends = 0.0

    def begun(self) -> float:
        """When work has to end its first piece that begins now."""
        return self._at_once_ends if self._waiting and not self._is_held() else self._ends

    def goes_on(self) -> float:
        """When the piece has to end of which this is a part; zero where it is none."""
        return self._ends if self._is_held() else 0.0

    async def next(self, namespace: str) -> float:
        """Wait until it is one's turn; when the piece that begins then has to end."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.put((namespace,), turn, turn)
        self._give_next()
        try:
            await turn
        finally:
            self._waiting.drop(turn)
        task = asyncio.current_task()
        self._holder = None if task is None else ref(task)
        self._ends = monotonic() + _SECONDS
        return self._ends

    def _is_held(self) -> bool:
        holder = self._holder() if self._holder is not None else None
        return holder is not None and holder is asyncio.current_task()

    def _give_next(self) -> None:
        if self._waiting and not self._will_give:
            self._will_give = True
            call_next(self._give)

    def _give(self) -> None:
        self._will_give = False
        self._at_once_ends = monotonic() + _AT_ONCE_SECONDS
        while taken := self._waiting.take():
            # One whose task is cancelled has not left the queue yet.
            if not taken.value.done():
                taken.value.set_result(None)
                break
        self._give_next()


_pieces: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pieces] = WeakKeyDictionary()


class Turn:
    """A long work's leave to hold the event loop.

    All long work shares the 5 ms: ten answers that arrive together, each of them soon read, would otherwise hold the
    loop for ten times as long as one. What has only begun is done at once where there is time; who has done a piece
    waits behind all others of the same namespace, and each namespace has a turn.

    Args:
        namespace: for whom the work is done; empty where it is done for all.
        is_large: whether its first step takes long already; it waits for its turn even so.
    """

    def __init__(self, namespace: str = "", *, is_large: bool = False) -> None:
        self._namespace = namespace
        self._pieces = _pieces.setdefault(asyncio.get_running_loop(), _Pieces())
        self._ends = 0.0 if is_large else self._pieces.begun()

    async def may_end(self) -> None:
        """Go on, or when the piece has lasted long enough, let others go on first."""
        now = monotonic()
        if now > self._ends and now > self._pieces.goes_on():
            self._ends = await self._pieces.next(self._namespace)

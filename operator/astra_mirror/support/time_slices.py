"""Time slices: long work yields to the event loop every few milliseconds, so that no tenant's work delays others."""

import asyncio
from typing import Final
from weakref import ReferenceType, WeakKeyDictionary, ref

from astra_mirror.core.fair import FairQueue
from astra_mirror.support.scheduler import call_next, clock, monotonic

_SECONDS: Final = 0.005
"""How long a time slice lasts."""
_AT_ONCE_SECONDS: Final = 0.002
"""How long work that has just begun may run, in all, in each pass of the loop while other work waits for a slice."""


class _Slices:
    """The time slices of one event loop: one in each pass of the loop, round robin over the namespaces."""

    def __init__(self) -> None:
        self._waiting: FairQueue[asyncio.Future[None], asyncio.Future[None]] = FairQueue()
        self._will_give = False
        # A weak reference: the result of the task may be large, and the task refers to the loop.
        self._holder: ReferenceType[asyncio.Task[object]] | None = None
        self._ends = 0.0
        self._at_once_ends = 0.0

    def free_until(self) -> float:
        """Until when work that begins now may run without waiting."""
        return self._at_once_ends if self._waiting and not self._is_held() else self._ends

    def held_until(self) -> float:
        """Until when the running task holds a slice; zero if it holds none."""
        return self._ends if self._is_held() else 0.0

    async def next(self, namespace: str) -> float:
        """Wait for the next slice of a namespace; return when that slice ends."""
        granted = asyncio.get_running_loop().create_future()
        self._waiting.put((namespace,), granted, granted)
        self._give_next()
        try:
            await granted
        finally:
            self._waiting.drop(granted)
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
            # A future whose task was cancelled may still be in the queue.
            if not taken.value.done():
                taken.value.set_result(None)
                break
        self._give_next()


_slices: WeakKeyDictionary[asyncio.AbstractEventLoop, _Slices] = WeakKeyDictionary()


def _slices_of(loop: asyncio.AbstractEventLoop) -> _Slices:
    found = _slices.get(loop)
    if found is None:
        found = _slices[loop] = _Slices()
    return found


class TimeSlice:
    """Permission for one long piece of work to run in the event loop.

    All long work shares the slices: ten bodies that arrive together would otherwise block the loop for ten times as
    long as one. Work that has just begun runs at once while there is time. After each slice it waits behind the other
    work of its namespace; slices are granted round robin over the namespaces.

    Args:
        namespace: the namespace that the work is done for; empty for work that is done for all.
        is_large: whether the first step takes long, so that the work waits for a slice before it.
    """

    def __init__(self, namespace: str = "", *, is_large: bool = False) -> None:
        self._namespace = namespace
        self._time = clock()
        self._slices = _slices_of(asyncio.get_running_loop())
        self._ends = 0.0 if is_large else self._slices.free_until()

    async def checkpoint(self) -> bool:
        """Wait for the next slice if the present one has ended. Returns whether it waited."""
        now = self._time()
        if now <= self._ends or now <= self._slices.held_until():
            return False
        self._ends = await self._slices.next(self._namespace)
        return True

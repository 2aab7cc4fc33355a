"""The requests of one connection: who goes now, who waits, and who is told at once why nothing will be asked.

A lane decides nothing itself: the gate does. It holds the requests that wait as plain values, without a task for each.
"""

import asyncio
import heapq
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, count
from typing import Any, Final, Protocol

from astra_mirror.core.gate import Gate, Go, Refused, WaitForProbe, WaitUntil
from astra_mirror.core.outcome import Answer, Failed, Listed, SyncReason
from astra_mirror.core.plan import Catalog
from astra_mirror.metrics import POLL_LATENESS

logger = logging.getLogger(__name__)

MAX_IN_FLIGHT: Final = 16
MAX_SLOW: Final = 64
SLOW_SECONDS: Final = 2.0
"""After how long an unanswered request is worth a word in the status of refs that have none yet, and does not count
any more towards `MAX_IN_FLIGHT`: some answers that hang must not hold up all the others."""


class Read(Protocol):
    """One request, and what to do with its end."""

    @property
    def app(self) -> Hashable | None:
        """Whose backup is asked for; None for a list."""

    @property
    def due(self) -> float:
        """When it should have started, in monotonic seconds."""

    @property
    def urgency(self) -> float:
        """The seconds after `due` by which it wants to have started: the lowest sum goes first."""

    def is_wanted(self) -> bool:
        """Whether anybody still waits for the answer."""

    def request(self) -> Awaitable[Answer | Listed]:
        """Ask."""

    def ended(self, answer: Answer | Listed, started: float) -> None:
        """Take the answer to the request that was sent at `started`."""

    def refused(self, failure: Failed, until: float) -> None:
        """Hear that nothing is asked before `until`, and why."""

    def broken(self) -> None:
        """Hear that `ended` has failed, by a defect of the operator."""

    def slow(self) -> None:
        """Hear that no answer has come for a while; perhaps more than once."""


@dataclass(slots=True)
class _UnderWay:
    read: Read
    go: Go
    started: float
    is_slow: bool = False
    is_answered: bool = False


class Lane:
    """The requests of one connection, at most `MAX_IN_FLIGHT` at once."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.gate = Gate()
        self.catalog = Catalog()
        self._clock = clock
        self._waiting: list[tuple[float, int, Read]] = []
        self._held: defaultdict[Hashable, list[tuple[float, int, Read]]] = defaultdict(list)
        self._order = count()
        self._under_way: dict[asyncio.Task[None], _UnderWay] = {}
        self._slow = 0
        self._timer: asyncio.TimerHandle | None = None
        self._pumping = False

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return not self._under_way and not self._waiting and not self._held

    def submit(self, read: Read) -> None:
        """Start `read` as soon as the gate and the limits allow, or end it at once when the gate is closed."""
        heapq.heappush(self._waiting, (read.due + read.urgency, next(self._order), read))
        self._pump()

    def _has_room(self) -> bool:
        return len(self._under_way) - self._slow < MAX_IN_FLIGHT and len(self._under_way) < MAX_IN_FLIGHT + MAX_SLOW

    def _pump(self) -> None:
        # A refusal may lead to another request, which is submitted while the heap is being worked through.
        if self._pumping:
            return
        self._pumping = True
        try:
            now = self._clock()
            while self._waiting and self._has_room() and self._start_first(now):
                pass
        finally:
            self._pumping = False

    def _start_first(self, now: float) -> bool:
        """Deal with the first of those that wait; false when it has to go on waiting, and with it all others."""
        entry = heapq.heappop(self._waiting)
        read = entry[2]
        if not read.is_wanted():
            return True
        match self.gate.admit(read.app, now):
            case Go() as go:
                self._start(read, go, now)
            case Refused(failure, until):
                read.refused(failure, until)
            case WaitForProbe(of_app=True):
                self._held[read.app].append(entry)
            case WaitForProbe():
                heapq.heappush(self._waiting, entry)
                return False
            case WaitUntil(until):
                heapq.heappush(self._waiting, entry)
                self._pump_at(until)
                return False
        return True

    def _pump_at(self, time: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(max(time - self._clock(), 0.0), self._pump_now)

    def _pump_now(self) -> None:
        self._timer = None
        self._pump()

    def _start(self, read: Read, go: Go, now: float) -> None:
        POLL_LATENESS.observe(max(now - read.due, 0.0))
        under_way = _UnderWay(read, go, now)
        self._spawn(self._run(under_way), under_way)

    def _spawn(self, work: Coroutine[Any, Any, None], under_way: _UnderWay) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way[task] = under_way
        task.add_done_callback(partial(self._ended, under_way))

    async def _run(self, under_way: _UnderWay) -> None:
        read = under_way.read
        slow = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._is_slow, under_way)
        try:
            answer = await read.request()
        finally:
            slow.cancel()
            self._slow -= under_way.is_slow
            under_way.is_slow = False
        await self._take(answer, under_way)

    async def _take(self, answer: Answer | Listed, under_way: _UnderWay) -> None:
        under_way.is_answered = True
        self.gate.record(under_way.read.app, under_way.go, answer, self._clock())
        under_way.read.ended(answer, under_way.started)

    def _is_slow(self, under_way: _UnderWay) -> None:
        under_way.is_slow = True
        self._slow += 1
        self._pump()
        for read in (under_way.read, *(each[2] for each in self._everyone_waiting())):
            read.slow()

    def _everyone_waiting(self) -> Iterator[tuple[float, int, Read]]:
        yield from self._waiting
        yield from chain.from_iterable(self._held.values())

    def _ended(self, under_way: _UnderWay, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        read = under_way.read
        error = None if task.cancelled() else task.exception()
        if not under_way.is_answered:
            self.gate.abandon(read.app, under_way.go)
        for entry in self._held.pop(read.app, ()):
            heapq.heappush(self._waiting, entry)
        if task.cancelled():
            return
        if error is not None:
            # A defect of ours: it must not end the polling of these refs, nor of any other.
            logger.error("A request ended in an unexpected error", exc_info=error)
            if under_way.is_answered:
                read.broken()
            else:
                message = f"The operator failed: {type(error).__name__}."
                self._spawn(self._take(Failed(SyncReason.UNEXPECTED_RESPONSE, message), under_way), under_way)
        self._pump()

    async def close(self) -> None:
        """End every request without an outcome."""
        self._waiting.clear()
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()
        tasks = list(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

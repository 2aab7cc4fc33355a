"""The requests of one connection: who goes now, who waits, and who is told at once why nothing will be asked.

A lane decides nothing itself: the gate does. It holds the requests that wait as plain values, without a task for each.
"""

import asyncio
import heapq
import logging
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import dataclass
from functools import partial
from itertools import chain, count
from typing import Any, Final, Protocol

from astra_mirror.core.gate import Gate, Go, Refused, WaitForProbe, WaitUntil
from astra_mirror.core.outcome import Answer, Failed, Listed, SyncReason
from astra_mirror.core.plan import Catalog
from astra_mirror.metrics import POLL_LATENESS
from astra_mirror.turn import Turn

logger = logging.getLogger(__name__)

MAX_IN_FLIGHT: Final = 16
MAX_SLOW: Final = 64
_SHARE: Final = 0.75
"""The part of these limits that one account may take: one that hangs leaves the others some room."""
ROOM_SECONDS: Final = 0.5
"""After how long an unanswered request does not count any more towards `MAX_IN_FLIGHT`. Answers that hang must not hold
up the others, whose requests are to start within a second of their time."""
SLOW_SECONDS: Final = 2.0
"""After how long an unanswered request is worth a word in the status of refs that have none yet."""


class Read(Protocol):
    """One request, and what to do with its end."""

    @property
    def app(self) -> Hashable | None:
        """Whose backup is asked for; None for a list."""

    @property
    def account(self) -> Hashable:
        """Whose share of the connection it takes."""

    @property
    def due(self) -> float:
        """When it should have started, in monotonic seconds."""

    @property
    def is_fallback(self) -> bool:
        """Whether it goes on with a poll that another request has begun."""

    @property
    def urgency(self) -> float:
        """The seconds after `due` by which it wants to have started: the lowest sum goes first."""

    def is_wanted(self) -> bool:
        """Whether anybody still waits for the answer."""

    def request(self) -> Awaitable[Answer | Listed]:
        """Ask."""

    async def ended(self, answer: Answer | Listed, started: float) -> None:
        """Take the answer to the request that was sent at `started`."""

    async def refused(self, failure: Failed, until: float, at: float) -> None:
        """Hear that the gate was closed at `at`: nothing is asked before `until`, and why."""

    def broken(self) -> None:
        """Hear that `ended` or `refused` has failed, by a defect of the operator."""

    async def slow(self) -> None:
        """Hear that no answer has come for a while; perhaps more than once."""


@dataclass(slots=True)
class _UnderWay:
    read: Read
    go: Go
    started: float
    leaves_room: bool = False
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
        self._to_tell: deque[tuple[Read, Callable[[], Coroutine[Any, Any, None]]]] = deque()
        self._telling: asyncio.Task[None] | None = None
        self._will_tell_of_slow = False
        self._timer: asyncio.TimerHandle | None = None
        self._pumping = False
        self._closed = False

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return not (self._under_way or self._waiting or self._held or self._telling)

    def submit(self, read: Read) -> None:
        """Start `read` as soon as the gate and the limits allow, or end it at once when the gate is closed."""
        heapq.heappush(self._waiting, (read.due + read.urgency, next(self._order), read))
        self._pump()

    def _has_room(self, account: Hashable | None = None) -> bool:
        """Whether one more may start, of any account or of this one."""
        share = 1.0 if account is None else _SHARE
        mine = [
            each
            for each in self._under_way.values()
            if not each.is_answered and (account is None or each.read.account == account)
        ]
        quick = sum(not each.leaves_room for each in mine)
        return quick < share * MAX_IN_FLIGHT and len(mine) < share * (MAX_IN_FLIGHT + MAX_SLOW)

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
        if not self._has_room(read.account):
            self._held[read.account].append(entry)
            return True
        match self.gate.admit(read.app, now):
            case Go() as go:
                self._start(read, go, now)
            case Refused(failure, until):
                self._tell(read, partial(read.refused, failure, until, now))
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

    def _tell(self, read: Read, what: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Tell `read`'s refs in a task, one read after the other: there may be thousands of both."""
        self._to_tell.append((read, what))
        self._tell_next()

    def _tell_next(self) -> None:
        if self._telling is None and self._to_tell:
            read, what = self._to_tell.popleft()
            self._telling = asyncio.get_running_loop().create_task(what())
            self._telling.add_done_callback(partial(self._told, read))

    def _told(self, read: Read, task: asyncio.Task[None]) -> None:
        self._telling = None
        if task.cancelled():
            return
        if error := task.exception():
            logger.error("To tell what holds a request back ended in an unexpected error", exc_info=error)
            read.broken()
        self._tell_next()

    def _pump_at(self, time: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(max(time - self._clock(), 0.0), self._pump_now)

    def _pump_now(self) -> None:
        self._timer = None
        self._pump()

    def _start(self, read: Read, go: Go, now: float) -> None:
        if not read.is_fallback:
            POLL_LATENESS.observe(max(now - read.due, 0.0))
        under_way = _UnderWay(read, go, now)
        self._spawn(self._run(under_way), under_way)

    def _spawn(self, work: Coroutine[Any, Any, None], under_way: _UnderWay) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way[task] = under_way
        task.add_done_callback(partial(self._ended, under_way))

    async def _run(self, under_way: _UnderWay) -> None:
        read = under_way.read
        loop = asyncio.get_running_loop()
        timers = (
            loop.call_later(ROOM_SECONDS, self._leaves_room, under_way),
            loop.call_later(SLOW_SECONDS, self._is_slow, under_way),
        )
        try:
            answer = await read.request()
        finally:
            for each in timers:
                each.cancel()
        await self._take(answer, under_way)

    async def _take(self, answer: Answer | Listed, under_way: _UnderWay) -> None:
        read = under_way.read
        under_way.is_answered = True
        self.gate.record(read.app, under_way.go, answer, self._clock())
        # The others need not wait until this answer has been handed out.
        self._release(read)
        await read.ended(answer, under_way.started)

    def _release(self, read: Read) -> None:
        """Let those go on that waited for the end of `read`."""
        for key in (read.app, read.account):
            for entry in self._held.pop(key, ()):
                heapq.heappush(self._waiting, entry)
        self._pump()

    def _leaves_room(self, under_way: _UnderWay) -> None:
        under_way.leaves_room = True
        self._release(under_way.read)

    def _is_slow(self, under_way: _UnderWay) -> None:
        under_way.is_slow = True
        if not self._will_tell_of_slow:
            self._will_tell_of_slow = True
            self._tell(under_way.read, self._tell_of_slow)

    async def _tell_of_slow(self) -> None:
        """Tell everybody who waits, for such an answer or for room."""
        self._will_tell_of_slow = False
        with Turn() as turn:
            under_way = [each.read for each in self._under_way.values() if each.is_slow]
            for read in (*under_way, *(each[2] for each in self._everyone_waiting())):
                await turn.may_end()
                await read.slow()

    def _everyone_waiting(self) -> list[tuple[float, int, Read]]:
        return [*self._waiting, *chain.from_iterable(self._held.values())]

    def _ended(self, under_way: _UnderWay, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        read = under_way.read
        if not under_way.is_answered:
            self.gate.abandon(read.app, under_way.go)
        if self._closed:
            return
        error = None if task.cancelled() else task.exception()
        if task.cancelled():
            # By a client that was closed under it: nobody may wait for ever for an answer that does not come.
            read.broken()
        elif error is not None:
            # A defect of ours: it must not end the polling of these refs, nor of any other.
            logger.error("A request ended in an unexpected error", exc_info=error)
            if under_way.is_answered:
                read.broken()
            else:
                message = f"The operator failed: {type(error).__name__}."
                self._spawn(self._take(Failed(SyncReason.UNEXPECTED_RESPONSE, message), under_way), under_way)
        self._release(read)

    async def close(self) -> None:
        """End every request without an outcome."""
        self._closed = True
        self._waiting.clear()
        self._held.clear()
        self._to_tell.clear()
        if self._timer is not None:
            self._timer.cancel()
        tasks = [*self._under_way, *([self._telling] if self._telling else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

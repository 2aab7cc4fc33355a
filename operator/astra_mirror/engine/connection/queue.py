"""The requests of one connection: which start now, which wait, and which refs show why theirs is not made.

A lane decides nothing itself. Its circuit breakers say what may go, its slots and rates how much of it, the fair queue
whose turn it is. It holds what waits as plain values, without a task or a timer for each.
"""

import asyncio
import logging
from collections.abc import Callable, Container, Coroutine, Hashable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, Final

from astra_mirror.core.breaker import Breakers
from astra_mirror.core.circuit import State
from astra_mirror.core.concurrency import RequestSlots
from astra_mirror.core.fair import Path
from astra_mirror.core.outcome import Answer, Failed, Listed, SyncReason
from astra_mirror.core.rate import CONNECTION_PER_SECOND, Rate
from astra_mirror.core.request_plan import Catalog
from astra_mirror.core.tickets import Ticket
from astra_mirror.engine.connection.breakers import Guard
from astra_mirror.engine.connection.total_rate import TotalRate
from astra_mirror.engine.connection.waiting import ConnectionQueue
from astra_mirror.engine.hand_out import Teller
from astra_mirror.engine.ports import Engine, Read
from astra_mirror.observability.metrics import POLL_LATENESS
from astra_mirror.support.scheduler import Timer, call_at, spawn
from astra_mirror.support.time_slices import TimeSlice

logger = logging.getLogger(__name__)

SLOT_SECONDS: Final = 0.5
"""After how long an unanswered request counts among the slow ones. Answers that hang must not hold up the others, whose
requests are to start within a second of their time."""
SLOW_SECONDS: Final = 2.0
"""After how long an unanswered request is worth a word in the status of refs that have none yet."""
_BATCH: Final = 200
"""How many requests are looked at before others have their turn in the event loop."""


@dataclass(slots=True)
class _UnderWay:
    read: Read
    ticket: Ticket
    started: float
    is_slow: bool = False
    is_worth_a_word: bool = False
    is_answered: bool = False

    @property
    def path(self) -> Path:
        return (self.read.namespace, self.read.account)


class Lane:
    """The requests of one connection.

    Args:
        clock: monotonic seconds.
        total: the rate of all connections together.
        engine: makes canaries, and plans anew for what was held back.
    """

    def __init__(self, clock: Callable[[], float], total: TotalRate, engine: Engine) -> None:
        self.catalog = Catalog()
        self._clock = clock
        self._total = total
        self._rate = Rate(CONNECTION_PER_SECOND)
        self._slots = RequestSlots()
        self._queue = ConnectionQueue()
        self._tickets: dict[Read, Ticket] = {}
        self._under_way: dict[asyncio.Task[None], _UnderWay] = {}
        self._teller = Teller()
        self._guard = Guard(clock, engine, self._teller, self._send)
        self._will_tell_of_slow = False
        self._pump_timer = Timer(self._pump)
        self._pumping = False
        self._is_gathering = False
        self._closed = False

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits but for a breaker to close."""
        return not (self._under_way or self._queue or self._queue.outside() or self._teller.is_busy)

    @property
    def breakers(self) -> Breakers:
        """What may go."""
        return self._guard.breakers

    @property
    def state(self) -> State:
        """The connection's state, for the metric."""
        return self.breakers.state(self._clock())

    def submit(self, read: Read, *, first: bool = False) -> None:
        """Start `read` as soon as breakers, slots and rates allow, or hold it back and let its refs show why.

        Args:
            read: the request.
            first: whether it goes before all that waits, because its answer decides for others.
        """
        self._queue.put(read, first=first)
        self._pump()

    def gather(self) -> None:
        """Start nothing until `start`, so that who is first is chosen among all that come together."""
        self._is_gathering = True

    def start(self) -> None:
        """Start what has been gathered."""
        self._is_gathering = False
        self._pump()

    # What goes now.

    def _pump(self) -> None:
        # What is held back may lead to another request, which is submitted while the queue is being worked through.
        if self._pumping or self._is_gathering or self._closed:
            return
        self._pumping = True
        try:
            now = self._clock()
            for _ in range(_BATCH):
                if not self._start_next(now):
                    return
            self._pump_timer.set(now)
        finally:
            self._pumping = False

    def _start_next(self, now: float) -> bool:
        """Deal with the request whose turn it is; false when all have to go on waiting."""
        if not self._queue or self._slots.is_full():
            return False
        ready_at = self._rate.ready_at(now)
        if ready_at > now:
            self._pump_timer.set(ready_at)
            return False
        may_start = self.breakers.may_start(now)
        read = self._queue.take(self._slots.admits, only=None if may_start else self._tickets)
        if read is None:
            return False
        if not self._is_held(read, now):
            self._slots.enter((read.namespace, read.account))
            if self._total.admit(read.namespace, read, partial(self._start_later, read)):
                self._start(read, now)
            else:
                self._queue.wait_outside(read)
        return True

    def _is_held(self, read: Read, now: float) -> bool:
        """Whether `read` does not go after all: nobody wants it, or a breaker holds it back."""
        if not read.is_wanted():
            if ticket := self._tickets.pop(read, None):
                self._record(ticket, None)
            return True
        return read not in self._tickets and self._guard.holds_back(read, now)

    def _send(self, read: Read, ticket: Ticket, first: bool) -> None:
        """Let a probe or a canary go, with the ticket that it has already."""
        self._tickets[read] = ticket
        self._queue.put(read, first=first)
        self._pump()

    def _record(self, ticket: Ticket, answer: Answer | Listed | None) -> None:
        self._guard.record(ticket, answer)
        if self.breakers.is_proven:
            self._queue.forget_order_of_start()

    def _start_later(self, read: Read) -> None:
        """Start a request that has waited for the rate of all connections."""
        self._queue.back_inside(read)
        self._slots.leave((read.namespace, read.account), is_slow=False)
        now = self._clock()
        if self._closed or self._is_held(read, now):
            pass
        elif read in self._tickets or self.breakers.may_start(now):
            self._slots.enter((read.namespace, read.account))
            self._start(read, now)
        else:
            self._queue.put(read)
        self._pump()

    def _start(self, read: Read, now: float) -> None:
        self._rate.take()
        if not read.is_fallback:
            POLL_LATENESS.observe(max(now - read.due, 0.0))
        ticket = self._tickets.pop(read, None) or self.breakers.start(read.account, read.app, now)
        under_way = _UnderWay(read, ticket, now)
        self._spawn(self._run(under_way), under_way)

    def _spawn(self, work: Coroutine[Any, Any, None], under_way: _UnderWay) -> None:
        self._under_way[spawn(work, partial(self._ended, under_way))] = under_way

    # What is under way.

    async def _run(self, under_way: _UnderWay) -> None:
        timers = (
            call_at(under_way.started + SLOT_SECONDS, partial(self._counts_as_slow, under_way)),
            call_at(under_way.started + SLOW_SECONDS, partial(self._is_slow, under_way)),
        )
        try:
            answer = await under_way.read.request()
        finally:
            for each in timers:
                each.cancel()
        await self._take(answer, under_way)

    async def _take(self, answer: Answer | Listed, under_way: _UnderWay) -> None:
        read = under_way.read
        self._free(under_way)
        self._record(under_way.ticket, answer)
        if read.app is None and isinstance(answer, Failed):
            # The single request that goes in place of a list is part of the same probe: nobody goes before it.
            await read.ended(answer, under_way.started)
            self._pump()
        else:
            # The others need not wait until this answer has been handed out.
            self._pump()
            await read.ended(answer, under_way.started)

    def _free(self, under_way: _UnderWay) -> None:
        if not under_way.is_answered:
            under_way.is_answered = True
            self._slots.leave(under_way.path, is_slow=under_way.is_slow)

    def _counts_as_slow(self, under_way: _UnderWay) -> None:
        under_way.is_slow = True
        self._slots.slow(under_way.path)
        self._pump()

    def _is_slow(self, under_way: _UnderWay) -> None:
        under_way.is_worth_a_word = True
        if not self._will_tell_of_slow:
            self._will_tell_of_slow = True
            self._teller.tell([under_way.read], self._tell_of_slow)

    async def _tell_of_slow(self) -> None:
        """Let all refs show it that wait for such an answer or for a slot."""
        self._will_tell_of_slow = False
        time_slice = TimeSlice()
        for read in list(self._everyone_waiting()):
            await time_slice.checkpoint()
            await read.slow()

    def _everyone_waiting(self) -> Iterator[Read]:
        slow = (each.read for each in self._under_way.values() if each.is_worth_a_word)
        return chain(slow, self._queue, self._guard.held)

    def _ended(self, under_way: _UnderWay, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        read, was_answered = under_way.read, under_way.is_answered
        self._free(under_way)
        if self._closed:
            return
        error = None if task.cancelled() else task.exception()
        if error is not None and not was_answered:
            # A defect of ours: it must not end the polling of these refs, nor of any other.
            logger.error("A request ended in an unexpected error", exc_info=error)
            failure = Failed(SyncReason.UNEXPECTED_RESPONSE, f"The operator failed: {type(error).__name__}.")
            self._spawn(self._take(failure, under_way), under_way)
            return
        if not was_answered:
            self._record(under_way.ticket, None)
        if task.cancelled():
            # By a client that was closed under it: nobody may wait for ever for an answer that does not come.
            read.broken()
        elif error is not None:
            logger.error("A request ended in an unexpected error", exc_info=error)
            read.broken()
        self._pump()

    def retain(self, accounts: Container[str], apps: Container[Hashable], namespaces: Container[str]) -> None:
        """Forget the breakers and the turns of all others, and what is held back for nobody any more."""
        self._guard.retain(accounts, apps, namespaces)

    def stop(self) -> None:
        """Let nothing more start; the refs of what is held back try again later."""
        self._closed = True
        self._pump_timer.cancel()
        for read in self._queue.outside():
            self._total.drop(read)
        self._guard.stop()
        self._queue.clear()

    async def close(self) -> None:
        """End every request without an outcome."""
        self._guard.held.clear()
        self.stop()
        await self._teller.close()
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

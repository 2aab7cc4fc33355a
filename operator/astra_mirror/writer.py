"""Brings the actual statuses to what they should be: the difference, a few at a time, until it holds.

It works from levels and not from edges: the difference is taken when an object's turn comes, from what is desired then,
so that a slow API server costs no stale write. Desired and actual are compared whenever either moves, by whomever. At
most one write of an object is under way.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from functools import partial
from typing import Final

from astra_mirror.cluster.availability import Availability
from astra_mirror.core.refusals import Refusals
from astra_mirror.core.write_slots import WriteSlots
from astra_mirror.ref import Ref
from astra_mirror.timers import Timers
from astra_mirror.waiting import Waiting, Why
from astra_mirror.write import Conflicting, Held, InSync, Later, Removed, Result, Unwritten, Writes

OVERDUE_SECONDS: Final = 1.0
"""After how long without an answer a PATCH gives up its slot."""
_FIRST_CONFLICT_DELAY, _MAX_CONFLICT_DELAY = 0.25, 5.0
_PATIENT: Final = frozenset({Why.REFUSED, Why.CONFLICT})
"""What waits because of these waits on, whatever is desired meanwhile."""

logger = logging.getLogger(__name__)


class Writer:
    """Patches the statuses of refs whose desired status differs from the actual one, by turns over the namespaces.

    Args:
        writes: makes one write.
        availability: whether the API server is away; nothing is written then.
        gone: called with each ref whose object does not exist any more.
        clock: monotonic seconds.
    """

    def __init__(
        self, writes: Writes, *, availability: Availability, gone: Callable[[Ref], None], clock: Callable[[], float]
    ) -> None:
        self._writes = writes
        self._availability = availability
        self._gone = gone
        self._clock = clock
        self._waiting = Waiting()
        self._tasks: dict[str, asyncio.Task[Result]] = {}
        self._again: dict[str, Ref] = {}
        self._slots = WriteSlots()
        self._overdue: Timers[str] = Timers()
        self._refusals = Refusals()
        self._conflicts: dict[Ref, int] = {}
        self._wake, self._idle = asyncio.Event(), asyncio.Event()
        self._sleeps_until = 0.0
        self._runs = self._was_away = False

    # What moves.

    def submit(self, ref: Ref) -> None:
        """The desired status may have moved: write it in its turn, but not before its time when it was refused."""
        if ref.wanted is not ref.cluster and self._waiting.why(ref) not in _PATIENT:
            self._put(ref)

    def actual_changed(self, ref: Ref) -> None:
        """Somebody else has changed the actual status."""
        if self._waiting.why(ref) is not Why.CONFLICT:
            self._put(ref)

    def object_changed(self, ref: Ref) -> None:
        """Somebody has changed the object, but not its status: what was refused may be accepted now."""
        if self._waiting.why(ref) is Why.REFUSED:
            self._put(ref)

    def drop(self, ref: Ref) -> None:
        """Write nothing more for `ref`; what comes of a write that is under way does not matter."""
        self._waiting.drop(ref)
        if self._again.get(ref.uid) is ref:
            del self._again[ref.uid]
        self._refusals.forget(ref, ref.namespace)
        self._writes.forget(ref)
        self._conflicts.pop(ref, None)

    def pending(self) -> tuple[int, float]:
        """How many statuses wait to be written, and for how many seconds the oldest of them has."""
        since = next(iter(self._waiting.pending.values()), None)
        return len(self._waiting.pending), 0.0 if since is None else self._clock() - since

    def _put(self, ref: Ref) -> None:
        self._waiting.begin(ref, self._clock())
        if ref.uid in self._slots:
            self._again[ref.uid] = ref
        else:
            self._waiting.put(ref)
            self._pump()

    # Whose turn it is.

    async def run(self) -> None:
        """Write until cancelled."""
        # Before this process led, if it ever did, nobody has noticed.
        self._runs = self._was_away = True
        noticing = asyncio.get_running_loop().create_task(self._notice_absence())
        try:
            while True:
                if self._was_away or self._availability.is_away:
                    await self._availability.wait_until_back()
                    self._was_away = False
                    self._came_back()
                self._wake.clear()
                self._run_timers(self._clock())
                self._pump()
                await self._sleep()
        finally:
            self._runs = False
            tasks = [noticing, *self._tasks.values()]
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _notice_absence(self) -> None:
        """Take note that the API server is away, also where nothing has to be written meanwhile."""
        while True:
            await self._availability.wait_until_away()
            self._was_away = True
            self._wake.set()
            await self._availability.wait_until_back()

    async def drain(self, seconds: float) -> None:
        """Write what waits, also for a time, within so many seconds at most; while `run` runs."""
        for ref, why in self._waiting.delayed():
            if why is not Why.HELD:
                self._waiting.delay(ref, self._clock(), Why.REFUSED)
        self._wake.set()
        try:
            async with asyncio.timeout(seconds):
                while self._waiting.has_turns or self._tasks or self._is_due:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            logger.warning("Stopping before %d statuses could be written", len(self._waiting.pending))

    @property
    def _is_due(self) -> bool:
        due = self._waiting.next_due()
        return due is not None and due <= self._clock()

    async def _sleep(self) -> None:
        now = self._clock()
        turns = (self._refusals.next_turn(each) for each in self._waiting.namespaces())
        times = [self._waiting.next_due(), self._overdue.next_due(), *(each for each in turns if each > now)]
        if self._tasks:
            # One that hangs may do so because the API server is away.
            times.append(now + OVERDUE_SECONDS)
        due = self._sleeps_until = min((each for each in times if each is not None), default=math.inf)
        try:
            async with asyncio.timeout(max(due - now, 0.0) if due < math.inf else None):
                await self._wake.wait()
        except TimeoutError:
            return

    def _run_timers(self, now: float) -> None:
        for uid, _ in list(self._overdue.pop_due(now)):
            self._slots.overdue(uid)
            # The operator's own small request finds out whether it is this one alone.
            self._availability.suspect()
        self._waiting.run_delays(now)

    def _came_back(self) -> None:
        """Try all again that failed while the API server was away, and what has hung since before."""
        self._refusals.forgive()
        self._writes.give_up()
        for ref, why in self._waiting.delayed():
            if why is Why.REFUSED:
                self._waiting.put(ref)

    def _pump(self) -> None:
        if self._runs and self._availability.is_away:
            self._wake.set()
        elif self._runs:
            while self._slots.has_one and self._start_next():
                pass
            if not (self._waiting.has_turns or self._tasks):
                self._idle.set()

    def _start_next(self) -> bool:
        now = self._clock()

        def admits(namespace: str, is_correction: bool) -> bool:
            has_slot = self._slots.admits(namespace, is_correction=is_correction)
            return has_slot and self._refusals.admits(namespace, now)

        turn = self._waiting.take(admits)
        if turn is None:
            return False
        ref = turn.ref
        self._refusals.started(ref.namespace, now)
        self._slots.start(ref.uid, ref.namespace, is_correction=turn.is_correction)
        self._overdue.set(ref.uid, now + OVERDUE_SECONDS)
        if self._sleeps_until > now + OVERDUE_SECONDS:
            self._wake.set()
        work = self._writes.write(ref, may_correct=turn.is_correction)
        task = self._tasks[ref.uid] = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(partial(self._ended, ref))
        return True

    # How a write ends.

    def _ended(self, ref: Ref, task: asyncio.Task[Result]) -> None:
        del self._tasks[ref.uid]
        self._overdue.drop(ref.uid)
        self._slots.end(ref.uid)
        if not self._runs or task.cancelled():
            self._again.pop(ref.uid, None)
            return
        if error := task.exception():
            # A defect of ours: it must not end the writing of all others.
            logger.error("The status of %s could not be written", ref.label, exc_info=error)
        if ref in self._waiting.pending:
            self._take(ref, Unwritten() if error else task.result())
        else:
            self._writes.forget(ref)
        # Taken only now: what this result has dropped must not be written again.
        again = self._again.pop(ref.uid, None)
        # The echo of the write itself, which the watch has reported before the answer came, is no reason.
        if again is not None and again.wanted is not again.cluster and self._waiting.why(again) not in _PATIENT:
            self._put(again)
        self._pump()

    def _take(self, ref: Ref, result: Result) -> None:
        now = self._clock()
        match result:
            case InSync(is_write) | Held(is_write=is_write):
                self._waiting.end(ref)
                self._conflicts.pop(ref, None)
                if is_write:
                    self._refusals.accepted(ref, ref.namespace)
                if isinstance(result, Held):
                    self._delay(ref, result.until, Why.HELD)
            case Later(until):
                self._delay(ref, until, Why.CORRECTION)
            case Conflicting():
                number = self._conflicts[ref] = self._conflicts.get(ref, -1) + 1
                delay = min(_FIRST_CONFLICT_DELAY * 2.0 ** min(number, 10), _MAX_CONFLICT_DELAY) if number else 0.0
                self._delay(ref, now + delay, Why.CONFLICT)
            case Removed():
                self._gone(ref)
            case Unwritten(reason, line):
                self._delay(ref, now + self._refusals.refused(ref, ref.namespace), Why.REFUSED)
                self._log(ref, reason, line)

    def _delay(self, ref: Ref, until: float, why: Why) -> None:
        self._waiting.delay(ref, until, why)
        self._wake.set()

    def _log(self, ref: Ref, reason: str, line: str) -> None:
        if line and self._refusals.is_news(ref.namespace, reason, self._clock()):
            logger.warning(
                "A status in the namespace %s could not be written, trying again; the first is that of %s: %s",
                ref.namespace,
                ref.name,
                line,
                extra={"namespace": ref.namespace},
            )

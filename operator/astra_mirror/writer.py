"""Brings the actual statuses to what they should be: the difference, a few at a time, until it holds.

It works from levels and not from edges: the difference is taken when an object's turn comes, from what is desired then,
so that a slow API server costs no stale write. Desired and actual are compared whenever either moves, by whomever. An
object waits for its turn or for a time, and at most one write of it is under way.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import Final

from astra_mirror.cluster.availability import Availability
from astra_mirror.core.fair import FairQueue, Path
from astra_mirror.core.refusals import Refusals
from astra_mirror.core.slots import Slots
from astra_mirror.ref import Ref
from astra_mirror.timers import Timers
from astra_mirror.write import Conflicting, Held, InSync, Later, Removed, Result, Unwritten, Writes

OVERDUE_SECONDS: Final = 1.0
"""After how long without an answer a PATCH gives up its slot."""
_FIRST_CONFLICT_DELAY, _MAX_CONFLICT_DELAY = 0.25, 5.0

logger = logging.getLogger(__name__)


class _Wait(Enum):
    """Why an object waits for a time."""

    REFUSED = auto()
    CONFLICT = auto()
    CORRECTION = auto()
    HELD = auto()


class Writer:
    """Patches the statuses of refs whose desired status differs from the actual one, by turns over the namespaces.

    Args:
        writes: makes one write.
        availability: whether the API server is away; nothing is written then.
        gone: told of each ref whose object does not exist any more.
        clock: monotonic seconds.
    """

    def __init__(
        self, writes: Writes, *, availability: Availability, gone: Callable[[Ref], None], clock: Callable[[], float]
    ) -> None:
        self._make = writes
        self._availability = availability
        self._gone = gone
        self._clock = clock
        self._queue: FairQueue[Ref, None] = FairQueue()
        self._corrections: FairQueue[Ref, None] = FairQueue()
        self._waits: dict[Ref, _Wait] = {}
        self._delays: Timers[Ref] = Timers()
        self._tasks: dict[str, asyncio.Task[Result]] = {}
        self._again: dict[str, Ref] = {}
        self._slots = Slots()
        self._overdue: Timers[str] = Timers()
        self._refusals = Refusals()
        self._conflicts: dict[Ref, int] = {}
        self._pending: dict[Ref, float] = {}
        self._wake, self._idle = asyncio.Event(), asyncio.Event()
        self._sleeps_until = 0.0
        self._runs = False

    # What moves.

    def submit(self, ref: Ref) -> None:
        """The desired status may have moved: write it in its turn, but not before its time when it was refused."""
        if ref.wanted is not ref.cluster and self._waits.get(ref) not in {_Wait.REFUSED, _Wait.CONFLICT}:
            self._put(ref)

    def actual_changed(self, ref: Ref) -> None:
        """Somebody else has changed the actual status."""
        if self._waits.get(ref) is not _Wait.CONFLICT:
            self._put(ref)

    def object_changed(self, ref: Ref) -> None:
        """Somebody has changed the object, but not its status: what was refused may be accepted now."""
        if self._waits.get(ref) is _Wait.REFUSED:
            self._put(ref)

    def drop(self, ref: Ref) -> None:
        """Write nothing more for `ref`; what comes of a write that is under way does not matter."""
        self._queue.drop(ref)
        self._corrections.drop(ref)
        self._stop_waiting(ref)
        if self._again.get(ref.uid) is ref:
            del self._again[ref.uid]
        self._refusals.forget(ref, ref.namespace)
        self._make.forget(ref)
        self._conflicts.pop(ref, None)
        self._pending.pop(ref, None)

    def pending(self) -> tuple[int, float]:
        """How many statuses wait to be written, and for how many seconds the oldest of them has."""
        oldest = next(iter(self._pending.values()), None)
        return len(self._pending), 0.0 if oldest is None else self._clock() - oldest

    def _put(self, ref: Ref, *, rank: float = 0.0) -> None:
        self._pending.setdefault(ref, self._clock())
        if ref.uid in self._slots:
            self._again[ref.uid] = ref
            return
        is_correction = ref.wanted is ref.own
        if is_correction and self._waits.get(ref) is _Wait.CORRECTION:
            return
        self._stop_waiting(ref)
        here, other = (self._corrections, self._queue) if is_correction else (self._queue, self._corrections)
        other.drop(ref)
        here.put((ref.namespace,), ref, None, rank)
        self._pump()

    def _delay(self, ref: Ref, until: float, wait: _Wait) -> None:
        self._waits[ref] = wait
        self._delays.set(ref, until)
        self._wake.set()

    def _stop_waiting(self, ref: Ref) -> None:
        if self._waits.pop(ref, None) is not None:
            self._delays.drop(ref)

    # Whose turn it is.

    async def run(self) -> None:
        """Write until cancelled."""
        self._runs = True
        try:
            while True:
                if self._availability.is_away:
                    await self._availability.wait_until_back()
                    self._came_back()
                self._wake.clear()
                self._run_timers(self._clock())
                self._pump()
                await self._sleep()
        finally:
            self._runs = False
            tasks = list(self._tasks.values())
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def drain(self, seconds: float) -> None:
        """Write what waits, also for a time, within so many seconds at most; while `run` runs."""
        for ref, wait in list(self._waits.items()):
            if wait is not _Wait.HELD:
                self._stop_waiting(ref)
                self._put(ref)
        try:
            async with asyncio.timeout(seconds):
                while self._queue or self._corrections or self._tasks:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            logger.warning("Stopping before %d statuses could be written", len(self._pending))

    async def _sleep(self) -> None:
        now = self._clock()
        turns = (self._refusals.next_turn(str(each)) for each in (*self._queue.keys(), *self._corrections.keys()))
        times = [self._delays.next_due(), self._overdue.next_due(), *(each for each in turns if each > now)]
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
        for ref, _ in list(self._delays.pop_due(now)):
            wait = self._waits.pop(ref)
            # What has changed since it was refused goes first.
            self._put(ref, rank=1.0 if wait is _Wait.REFUSED else 0.0)

    def _came_back(self) -> None:
        """Try all again that failed while the API server was away, and what has hung since before."""
        self._refusals.forgive()
        self._make.give_up()
        for ref, wait in list(self._waits.items()):
            if wait is _Wait.REFUSED:
                self._put(ref)

    def _pump(self) -> None:
        if not self._runs:
            return
        if self._availability.is_away:
            self._wake.set()
            return
        while self._slots.has_one and self._start_next():
            pass

    def _start_next(self) -> bool:
        now = self._clock()

        def admits(path: Path) -> bool:
            namespace = str(path[0])
            return self._slots.admits(namespace) and self._refusals.admits(namespace, now)

        correction = self._corrections.take(admits) if self._slots.admits_correction else None
        taken = correction or self._queue.take(admits)
        if taken is None:
            return False
        ref = taken.item
        self._refusals.started(ref.namespace, now)
        self._slots.start(ref.uid, ref.namespace, is_correction=correction is not None)
        self._overdue.set(ref.uid, now + OVERDUE_SECONDS)
        if self._sleeps_until > now + OVERDUE_SECONDS:
            self._wake.set()
        task = self._tasks[ref.uid] = asyncio.get_running_loop().create_task(
            self._make.write(ref, may_correct=correction is not None)
        )
        task.add_done_callback(partial(self._ended, ref))
        return True

    # How a write ends.

    def _ended(self, ref: Ref, task: asyncio.Task[Result]) -> None:
        del self._tasks[ref.uid]
        self._overdue.drop(ref.uid)
        self._slots.end(ref.uid)
        again = self._again.pop(ref.uid, None)
        if not self._runs or task.cancelled():
            return
        if error := task.exception():
            # A defect of ours: it must not end the writing of all others.
            logger.error("The status of %s could not be written", ref.label, exc_info=error)
        result = Unwritten() if error else task.result()
        if ref in self._pending:
            self._take(ref, result)
        else:
            self._make.forget(ref)
        if again is not None and self._waits.get(again) not in {_Wait.REFUSED, _Wait.CONFLICT}:
            self._put(again)
        self._pump()
        if not (self._queue or self._corrections or self._tasks):
            self._idle.set()

    def _take(self, ref: Ref, result: Result) -> None:
        now = self._clock()
        match result:
            case InSync(is_write):
                del self._pending[ref]
                self._conflicts.pop(ref, None)
                if is_write:
                    self._refusals.accepted(ref, ref.namespace)
            case Held(until, is_write):
                del self._pending[ref]
                if is_write:
                    self._refusals.accepted(ref, ref.namespace)
                self._delay(ref, until, _Wait.HELD)
            case Later(until):
                self._delay(ref, until, _Wait.CORRECTION)
            case Conflicting():
                number = self._conflicts[ref] = self._conflicts.get(ref, -1) + 1
                delay = min(_FIRST_CONFLICT_DELAY * 2.0 ** min(number, 10), _MAX_CONFLICT_DELAY) if number else 0.0
                self._delay(ref, now + delay, _Wait.CONFLICT)
            case Removed():
                self._gone(ref)
            case Unwritten(reason, line):
                self._refuse(ref, reason, line, now)

    def _refuse(self, ref: Ref, reason: str, line: str, now: float) -> None:
        delay = self._refusals.refused(ref, ref.namespace)
        self._delay(ref, now + delay, _Wait.REFUSED)
        if line and self._refusals.is_news(ref.namespace, reason):
            logger.warning(
                "A status in the namespace %s could not be written, trying again; the first is that of %s: %s",
                ref.namespace,
                ref.name,
                line,
                extra={"namespace": ref.namespace},
            )

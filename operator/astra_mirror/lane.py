"""The requests of one connection: who goes now, who waits, and who is told at once why nothing will be asked.

A lane decides nothing itself: the gate does. It holds the requests that wait as plain values, without a task for each.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from astra_mirror.core.gate import Gate, Go, Refused, WaitForProbe
from astra_mirror.core.outcome import Failed, Outcome, SyncReason

logger = logging.getLogger(__name__)

MAX_IN_FLIGHT: Final = 16
SLOW_SECONDS: Final = 2.0
"""After how long an unanswered request is worth a word in the status of refs that have none yet."""


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """One request and what to do with its end.

    `done` gets the outcome and, where the request was held back, the time before which asking again is no use.
    `slow` is called while no answer has come for a while, at most a few times.
    """

    app: str
    request: Callable[[], Awaitable[Outcome]]
    done: Callable[[Outcome, float | None], None]
    slow: Callable[[], None]


class Lane:
    """The requests of one connection, at most `MAX_IN_FLIGHT` at once."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.gate = Gate()
        self._clock = clock
        self._waiting: deque[Read] = deque()
        self._tasks: set[asyncio.Task[Outcome]] = set()

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return not self._tasks and not self._waiting

    def submit(self, read: Read) -> None:
        """Start `read` as soon as the gate and the limit allow, or end it at once when the gate is closed."""
        self._waiting.append(read)
        self._pump()

    def _pump(self) -> None:
        now = self._clock()
        blocked: deque[Read] = deque()
        while self._waiting and len(self._tasks) < MAX_IN_FLIGHT:
            read = self._waiting.popleft()
            match self.gate.admit(read.app, now):
                case Go():
                    self._start(read)
                case Refused(failure, until):
                    read.done(failure, until)
                case WaitForProbe():
                    blocked.append(read)
        self._waiting.extendleft(reversed(blocked))

    def _start(self, read: Read) -> None:
        task = asyncio.get_running_loop().create_task(self._run(read))
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, read))

    async def _run(self, read: Read) -> Outcome:
        slow = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._tell_slow, read)
        try:
            return await read.request()
        finally:
            slow.cancel()

    def _tell_slow(self, read: Read) -> None:
        for each in (read, *self._waiting):
            each.slow()

    def _ended(self, read: Read, task: asyncio.Task[Outcome]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            self.gate.abandon(read.app)
            return
        error = task.exception()
        if error is None:
            outcome = task.result()
        else:
            # A defect of ours: it must not end the polling of this ref, nor of any other.
            logger.error("A request ended in an unexpected error", exc_info=error)
            outcome = Failed(SyncReason.UNEXPECTED_RESPONSE, f"The operator failed: {type(error).__name__}.")
        self.gate.record(read.app, outcome, self._clock())
        read.done(outcome, None)
        self._pump()

    async def close(self) -> None:
        """End every request without an outcome."""
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

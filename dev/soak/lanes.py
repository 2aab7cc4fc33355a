"""Performs the actions of a script at their times, each lane in a thread of its own, and ends what has an end."""

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from dev.soak.actions import Action, Script
from dev.soak.doing import ACTIONS
from dev.soak.doing.perform import End, Perform
from dev.soak.stage import Stage

_END_SECONDS: Final = 400.0
"""What is under way may wait for the end of a namespace, and for the API server."""
_ONE_AT_A_TIME: Final = frozenset({"cluster"})
"""Who cannot begin anything before the last has ended: what is begun may need what is broken."""
Work = Callable[[], Any]


class Lane:
    """A thread that does one thing after the other."""

    def __init__(self, name: str, failures: list[BaseException]) -> None:
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._failures = failures
        self._name = name
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, work: Work) -> None:
        """Do it when all before it is done."""
        self._work.put(work)

    def finish(self) -> None:
        """Wait until all is done.

        Raises:
            TimeoutError: it takes longer than any of it should.
        """
        self._work.put(None)
        self._thread.join(_END_SECONDS)
        if self._thread.is_alive():
            raise TimeoutError(f"the lane {self._name} does not come to an end")

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - a fault of the soak's own, which ends it
                self._failures.append(error)


class Runner:
    """Runs a script to its end.

    Args:
        stage: where.
        script: what.
        failures: of the soak's own, the first of which ends it; somebody else may add to them.
        actions: how each is performed.
    """

    def __init__(
        self,
        stage: Stage,
        script: Script,
        failures: list[BaseException],
        actions: Mapping[str, Perform] = ACTIONS,
    ) -> None:
        self._actions = actions
        self._stage = stage
        self._script = script
        self.failures = failures
        self._lanes: dict[str, Lane] = {}
        self._numbers = itertools.count()
        self._due: list[tuple[float, int, str, Work]] = []
        self._changed = threading.Condition()
        self.started_at = time.time()
        self._start = time.monotonic()
        self.lag = 0.0
        """For how many seconds an action began later than planned, at the most: its lane was busy, or the machine."""

    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def run(self) -> None:
        """Do all of it; afterwards nothing that the script has broken is broken any more.

        Raises:
            ExceptionGroup: the soak itself has failed.
        """
        for action in self._script.actions:
            self._schedule(action.at, action.lane, partial(self._perform, action))
        while (item := self._next()) is not None:
            self._lane(item[0]).do(item[1])
        self._finish()
        if self.failures:
            raise BaseExceptionGroup("the soak itself has failed", self.failures)

    def _schedule(self, at: float, lane: str, work: Work) -> None:
        with self._changed:
            heapq.heappush(self._due, (at, next(self._numbers), lane, work))
            self._changed.notify_all()

    def _next(self) -> tuple[str, Work] | None:
        """What comes next, when its time has come; None at the end of the script."""
        with self._changed:
            while True:
                at = self._due[0][0] if self._due else self._script.seconds
                wait = min(at, self._script.seconds) - self.now()
                if self.failures or (wait <= 0 and not self._due):
                    return None
                if wait <= 0:
                    _, _, lane, work = heapq.heappop(self._due)
                    return lane, work
                self._changed.wait(wait)

    def _lane(self, name: str) -> Lane:
        if name not in self._lanes:
            self._lanes[name] = Lane(name, self.failures)
        return self._lanes[name]

    def _perform(self, action: Action) -> None:
        if self.failures:
            # What was broken is put right again, and nothing new begins.
            return
        now = self.now()
        with self._changed:
            self.lag = max(self.lag, now - action.at)
        self._stage.log(f"{now:7.2f}s, planned for {action}")
        end = self._actions[action.do](self._stage, action.args, action.seconds)
        if end is None:
            return
        if action.lane in _ONE_AT_A_TIME:
            time.sleep(action.seconds)
            self._end(action, end)
        else:
            at = max(self.now(), action.at + action.seconds)
            self._schedule(at, action.lane, lambda: self._end(action, end))

    def _end(self, action: Action, end: End) -> None:
        end()
        self._stage.log(f"{self.now():7.2f}s {action.lane}: the end of {action.do}")

    def _finish(self) -> None:
        """Wait for what is under way, and end what has no end yet."""
        while self._lanes:
            lanes, self._lanes = list(self._lanes.values()), {}
            for each in lanes:
                each.finish()
            with self._changed:
                left, self._due = sorted(self._due, key=lambda each: each[:2]), []
            for _, _, name, work in left:
                self._lane(name).do(work)

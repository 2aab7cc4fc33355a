"""The statuses that wait to be written: whose turn it is, who waits for a time, and why.

Each waits once. News go by turns over the namespaces; what somebody else has changed waits in a row of its own, which
has a part of the slots. This module has no task and reads no clock.
"""

from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import NamedTuple

from astra_mirror.core.fair import FairQueue, Path
from astra_mirror.engine.ref import Ref
from astra_mirror.engine.timers import Timers


class Why(Enum):
    """Why a ref waits for a time: whether something may cut it short, and whether it is worth a metric."""

    REFUSED = auto()
    CONFLICT = auto()
    CORRECTION = auto()
    HELD = auto()


class NextWrite(NamedTuple):
    """A ref that may be written now; `is_correction` when the operator's own last status says what is desired."""

    ref: Ref
    is_correction: bool


class Waiting:
    """The refs that wait. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._queue: FairQueue[Ref, None] = FairQueue()
        self._corrections: FairQueue[Ref, None] = FairQueue()
        self._why: dict[Ref, Why] = {}
        self._delays: Timers[Ref] = Timers()
        self._pending: dict[Ref, float] = {}

    @property
    def has_turns(self) -> bool:
        """Whether anybody waits for a turn."""
        return bool(self._queue or self._corrections)

    @property
    def pending(self) -> dict[Ref, float]:
        """The refs whose actual status is not the desired one, each with the time since which; oldest first."""
        return self._pending

    def why(self, ref: Ref) -> Why | None:
        """Why it waits for a time; None when it does not."""
        return self._why.get(ref)

    def delayed(self) -> list[tuple[Ref, Why]]:
        """The refs that wait for a time."""
        return list(self._why.items())

    def begin(self, ref: Ref, now: float) -> None:
        """Take note that its status has to be written."""
        self._pending.setdefault(ref, now)

    def end(self, ref: Ref) -> None:
        """Take note that its status has not to be written any more."""
        self._pending.pop(ref, None)

    def put(self, ref: Ref, *, rank: float = 0.0) -> None:
        """Let it wait for its turn, and for no time any more; a correction keeps the time that was set for it."""
        is_correction = ref.wanted is ref.own
        if is_correction and self._why.get(ref) is Why.CORRECTION:
            return
        self._stop_delay(ref)
        here, other = (self._corrections, self._queue) if is_correction else (self._queue, self._corrections)
        other.drop(ref)
        here.put((ref.namespace,), ref, None, rank)

    def delay(self, ref: Ref, until: float, why: Why) -> None:
        """Let it wait for a time."""
        self._why[ref] = why
        self._delays.set(ref, until)

    def drop(self, ref: Ref) -> None:
        """Let it wait for nothing."""
        self._queue.drop(ref)
        self._corrections.drop(ref)
        self._stop_delay(ref)
        self.end(ref)

    def take(self, admits: Callable[[str, bool], bool]) -> NextWrite | None:
        """Whose turn it is; a correction goes first.

        Args:
            admits: whether a write of that namespace may start now, a correction where the second argument says so.
        """
        for queue, is_correction in ((self._corrections, True), (self._queue, False)):
            taken = queue.take(partial(_admits, admits, is_correction=is_correction))
            if taken is not None:
                return NextWrite(taken.item, is_correction)
        return None

    def run_delays(self, now: float) -> None:
        """Let those wait for their turn whose time has come: what has changed since it was refused goes first."""
        for ref, _ in list(self._delays.pop_due(now)):
            why = self._why.pop(ref)
            self.begin(ref, now)
            self.put(ref, rank=1.0 if why is Why.REFUSED else 0.0)

    def next_due(self) -> float | None:
        """When the first time comes; None without one."""
        return self._delays.next_due()

    def namespaces(self) -> list[str]:
        """The namespaces that wait for a turn."""
        return [str(each) for each in (*self._queue.keys(), *self._corrections.keys())]

    def _stop_delay(self, ref: Ref) -> None:
        if self._why.pop(ref, None) is not None:
            self._delays.drop(ref)


def _admits(admits: Callable[[str, bool], bool], path: Path, *, is_correction: bool) -> bool:
    return admits(str(path[0]), is_correction)

"""The objects whose status waits to be written: whose turn it is, who waits for a time, and why.

Each waits once. News go by turns over the namespaces; what somebody else has changed waits in a row of its own, which
has a part of the slots. This module has no task and reads no clock.
"""

from collections.abc import Container
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from astra_mirror.core.fair import FairQueue, Path
from astra_mirror.core.refusals import Refusals
from astra_mirror.core.write_slots import WriteSlots
from astra_mirror.engine.state.tracked import Tracked
from astra_mirror.engine.timers import Timers


class Why(Enum):
    """Why an object waits for a time: whether something may cut it short, and whether it is worth a metric."""

    REFUSED = auto()
    CONFLICT = auto()
    CORRECTION = auto()
    HELD = auto()


class NextWrite(NamedTuple):
    """An object whose status may be written now; `is_correction`: somebody else has changed it."""

    uid: str
    is_correction: bool


@dataclass(frozen=True, slots=True)
class Admitted(Container[Path]):
    """The namespaces, as (namespace,), whose writes may start now."""

    slots: WriteSlots
    refusals: Refusals
    now: float
    is_correction: bool

    def __contains__(self, path: object) -> bool:
        if not isinstance(path, tuple):
            return False
        namespace = str(path[0])
        has_slot = self.slots.admits(namespace, is_correction=self.is_correction)
        return has_slot and self.refusals.admits(namespace, self.now)


class WriteQueue:
    """What waits. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._news: FairQueue[str, None] = FairQueue()
        self._corrections: FairQueue[str, None] = FairQueue()
        self._why: dict[str, Why] = {}
        self._delays: Timers[str] = Timers()
        self._pending: dict[str, float] = {}

    def __bool__(self) -> bool:
        """Whether anybody waits for a turn."""
        return bool(self._news or self._corrections)

    @property
    def pending(self) -> dict[str, float]:
        """The objects whose actual status is not the desired one, each with the time since which; oldest first."""
        return self._pending

    def why(self, uid: str) -> Why | None:
        """Why it waits for a time; None when it does not."""
        return self._why.get(uid)

    def delayed(self) -> list[tuple[str, Why]]:
        """The objects that wait for a time."""
        return list(self._why.items())

    def begin(self, uid: str, now: float) -> None:
        """Take note that its status has to be written."""
        self._pending.setdefault(uid, now)

    def end(self, uid: str) -> None:
        """Take note that its status has not to be written any more."""
        self._pending.pop(uid, None)

    def put(self, tracked: Tracked, *, rank: float = 0.0) -> None:
        """Let it wait for its turn, and for no time any more; a correction keeps the time that was set for it."""
        uid, is_correction = tracked.uid, tracked.texts.is_correction
        if is_correction and self._why.get(uid) is Why.CORRECTION:
            return
        self._stop_delay(uid)
        here, other = (self._corrections, self._news) if is_correction else (self._news, self._corrections)
        other.drop(uid)
        here.put((tracked.namespace,), uid, None, rank)

    def delay(self, uid: str, until: float, why: Why) -> None:
        """Let it wait for a time."""
        self._why[uid] = why
        self._delays.set(uid, until)

    def drop(self, uid: str) -> None:
        """Let it wait for nothing."""
        self._news.drop(uid)
        self._corrections.drop(uid)
        self._stop_delay(uid)
        self.end(uid)

    def take(self, news: Container[Path], corrections: Container[Path]) -> NextWrite | None:
        """Whose turn it is; a correction goes first.

        Args:
            news: the namespaces, as (namespace,), whose writes may start now.
            corrections: those whose corrections may.
        """
        for queue, admitted, is_correction in ((self._corrections, corrections, True), (self._news, news, False)):
            taken = queue.take(admitted)
            if taken is not None:
                return NextWrite(taken.item, is_correction)
        return None

    def take_delayed(self, now: float) -> list[tuple[str, Why]]:
        """The objects whose time has come, and why they waited: they are to wait for their turn."""
        return [(uid, self._why.pop(uid)) for uid, _ in list(self._delays.pop_due(now))]

    def next_due(self) -> float | None:
        """When the first time comes; None without one."""
        return self._delays.next_due()

    def namespaces(self) -> list[str]:
        """The namespaces that wait for a turn."""
        return [str(each) for each in (*self._news.keys(), *self._corrections.keys())]

    def _stop_delay(self, uid: str) -> None:
        if self._why.pop(uid, None) is not None:
            self._delays.drop(uid)

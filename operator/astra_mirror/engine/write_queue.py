"""The objects whose statuses wait to be written: queued for a slot, or delayed, and for which reason.

An object is in one queue at most. Changes of the desired status are served round robin over the namespaces; corrections
have a queue of their own, with a limited share of the slots. This module has no task and reads no clock.
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
    """Why a write is delayed; decides what ends the delay early and whether it counts as pending."""

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
    """The namespaces, as (namespace,), and the places in them whose writes may start now."""

    slots: WriteSlots
    refusals: Refusals
    now: float
    is_correction: bool

    def __contains__(self, path: object) -> bool:
        if not isinstance(path, tuple):
            return False
        namespace = str(path[0])
        has_slot = self.slots.admits(namespace, is_correction=self.is_correction)
        return has_slot and self.refusals.admits(path, self.now)


class WriteQueue:
    """The queued and the delayed writes. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._news: FairQueue[str, None] = FairQueue()
        self._corrections: FairQueue[str, None] = FairQueue()
        self._why: dict[str, Why] = {}
        self._delays: Timers[str] = Timers()
        self._pending: dict[str, float] = {}

    def __bool__(self) -> bool:
        """Whether a write is queued."""
        return bool(self._news or self._corrections)

    @property
    def pending(self) -> dict[str, float]:
        """The objects whose actual status is not the desired one, each with the time since which; oldest first."""
        return self._pending

    def why(self, uid: str) -> Why | None:
        """Why its write is delayed; None if it is not."""
        return self._why.get(uid)

    def delayed(self) -> list[tuple[str, Why]]:
        """The objects whose write is delayed, and why."""
        return list(self._why.items())

    def begin(self, uid: str, now: float) -> None:
        """Count its status as pending."""
        self._pending.setdefault(uid, now)

    def end(self, uid: str) -> None:
        """Note that its status no longer needs to be written."""
        self._pending.pop(uid, None)

    def put(self, tracked: Tracked, *, rank: float = 0.0) -> None:
        """Queue it, and end its delay; a correction that is delayed as such keeps its delay."""
        uid, is_correction = tracked.uid, tracked.texts.is_correction
        if is_correction and self._why.get(uid) is Why.CORRECTION:
            return
        self._stop_delay(uid)
        here, other = (self._corrections, self._news) if is_correction else (self._news, self._corrections)
        other.drop(uid)
        here.put(tracked.identity.place, uid, None, rank)

    def delay(self, uid: str, until: float, why: Why) -> None:
        """Delay its write until then."""
        self._why[uid] = why
        self._delays.set(uid, until)

    def drop(self, uid: str) -> None:
        """Remove it from the queues and the delays."""
        self._news.drop(uid)
        self._corrections.drop(uid)
        self._stop_delay(uid)
        self.end(uid)

    def take(self, news: Container[Path], corrections: Container[Path]) -> NextWrite | None:
        """The next write; a correction comes first.

        Args:
            news: the namespaces and places whose writes may start now.
            corrections: those whose corrections may.
        """
        for queue, admitted, is_correction in ((self._corrections, corrections, True), (self._news, news, False)):
            taken = queue.take(admitted)
            if taken is not None:
                return NextWrite(taken.item, is_correction)
        return None

    def take_delayed(self, now: float) -> list[tuple[str, Why]]:
        """The objects whose delay has ended, and why they were delayed; the caller queues them."""
        return [(uid, self._why.pop(uid)) for uid, _ in list(self._delays.pop_due(now))]

    def next_due(self) -> float | None:
        """When the first delay ends; None if there is none."""
        return self._delays.next_due()

    def _stop_delay(self, uid: str) -> None:
        if self._why.pop(uid, None) is not None:
            self._delays.drop(uid)

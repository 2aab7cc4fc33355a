"""Makes the actual statuses equal to the desired ones, with a limited number of writes in flight.

Level-triggered: the difference is computed when an object is dequeued, from the status that is desired then, so that a
slow API server causes no stale write. The two are compared whenever either changes, whoever changed it. An object has
at most one write in flight. Nothing is performed here: the patches to send are returned.
"""

from collections.abc import Container, Mapping
from typing import Any, Final

from astra_mirror.core.diff import Difference
from astra_mirror.core.refusals import Refusals
from astra_mirror.core.write_results import Conflict, Gone, Refused, Stored, WriteResult
from astra_mirror.core.write_slots import WriteSlots
from astra_mirror.engine.echo import own_answer
from astra_mirror.engine.effects import Moved, SendPatch
from astra_mirror.engine.index import Index
from astra_mirror.engine.ports import Moment
from astra_mirror.engine.state import texts
from astra_mirror.engine.state.tracked import Tracked
from astra_mirror.engine.status_write import Correction, Nothing, Write, accepted
from astra_mirror.engine.timers import Timers
from astra_mirror.engine.write_history import Later, WriteHistory, log_refusal
from astra_mirror.engine.write_queue import Admitted, Why, WriteQueue

OVERDUE_SECONDS: Final = 1.0
"""After how long without an answer a PATCH gives up its slot."""
_PATIENT: Final = frozenset({Why.REFUSED, Why.CONFLICT})
"""Delays for these reasons are not cut short by a new desired status."""
_INCOMING_SECONDS: Final = 0.01
"""How soon an object is compared again if a new version of it was still in the inbox."""
_BATCH: Final = 16
"""How many statuses are compared before yielding to the event loop."""


class StatusWriter:
    """Decides which statuses are patched, round robin over the namespaces. Times are monotonic seconds.

    Args:
        index: the objects.
        incoming: the uids of the objects in the inbox.
    """

    def __init__(self, index: Index, incoming: Container[str]) -> None:
        self._index = index
        self._incoming = incoming
        self._queue = WriteQueue()
        self._again: set[str] = set()
        self._slots = WriteSlots()
        self._overdue: Timers[str] = Timers()
        self._refusals = Refusals()
        self._history = WriteHistory()

    # Changes.

    def moved(self, uid: str, moved: Moved, now: float) -> None:
        """Something has changed: queue the object for a comparison of its statuses."""
        tracked, why = self._index.get(uid), self._queue.why(uid)
        if tracked is None:
            return
        match moved:
            case Moved.DESIRED:
                # Queued, unless an earlier write was refused or met a conflict: that delay stays.
                is_due = not tracked.texts.are_in_sync and why not in _PATIENT
            case Moved.ACTUAL:
                is_due = why is not Why.CONFLICT
            case Moved.OBJECT:
                # What was refused may be accepted now.
                is_due = why is Why.REFUSED
        if is_due:
            self._put(tracked, now)

    def _put(self, tracked: Tracked, now: float) -> None:
        self._queue.begin(tracked.uid, now)
        if tracked.uid in self._slots:
            self._again.add(tracked.uid)
        else:
            self._queue.put(tracked)

    def drop(self, tracked: Tracked) -> None:
        """Write nothing more for the object, and ignore the result of its write in flight."""
        uid = tracked.uid
        self._queue.drop(uid)
        self._again.discard(uid)
        self._refusals.forget(uid, tracked.identity.place)
        self._history.forget(uid)

    # For the metrics and the loop.

    def pending(self, now: float) -> tuple[int, float]:
        """How many statuses wait to be written, and for how many seconds the oldest has waited."""
        since = next(iter(self._queue.pending.values()), None)
        return len(self._queue.pending), 0.0 if since is None else now - since

    def is_busy(self, now: float) -> bool:
        """Whether a write is in flight, queued or due."""
        due = self._queue.next_due()
        return bool(self._queue or self._slots.are_used) or (due is not None and due <= now)

    def next_due(self, now: float) -> float | None:
        """When the next delay or time-out ends; None if there is nothing to do before something changes."""
        times = (self._queue.next_due(), self._overdue.next_due(), self._refusals.next_turn(now))
        return min((each for each in times if each is not None), default=None)

    # Writes.

    def run_timers(self, now: float) -> bool:
        """Queue the objects whose delay has ended. Returns whether a PATCH has been without an answer for too long."""
        for uid, why in self._queue.take_delayed(now):
            tracked = self._index.get(uid)
            if tracked is not None:
                self._queue.begin(uid, now)
                # Retries of refused writes come after the other writes of their namespace.
                self._queue.put(tracked, rank=1.0 if why is Why.REFUSED else 0.0)
        overdue = [uid for uid, _ in self._overdue.pop_due(now)]
        for uid in overdue:
            self._slots.overdue(uid)
        return bool(overdue)

    def came_back(self) -> None:
        """The API server is back: retry every refused write now."""
        self._refusals.forgive()
        for uid, why in self._queue.delayed():
            tracked = self._index.get(uid)
            if why is Why.REFUSED and tracked is not None:
                self._queue.put(tracked)

    def hurry(self, now: float) -> None:
        """On shutdown, retry every delayed write at once, except statuses that the API server alters."""
        for uid, why in self._queue.delayed():
            if why is not Why.HELD:
                self._queue.delay(uid, now, Why.REFUSED)

    def start(self, moment: Moment) -> tuple[list[SendPatch], bool]:
        """The patches to send now, and whether there may be more after yielding to the event loop."""
        patches: list[SendPatch] = []
        for _ in range(_BATCH):
            if not self._slots.has_one:
                return patches, False
            news = Admitted(self._slots, self._refusals, moment.at, is_correction=False)
            corrections = Admitted(self._slots, self._refusals, moment.at, is_correction=True)
            turn = self._queue.take(news, corrections)
            if turn is None:
                return patches, False
            patch = self._patch(turn.uid, moment, may_correct=turn.is_correction)
            if patch is not None:
                patches.append(patch)
                self._slots.start(turn.uid, patch.about.namespace, is_correction=turn.is_correction)
                self._refusals.started(patch.about.place, moment.at)
                self._overdue.set(turn.uid, moment.at + OVERDUE_SECONDS)
        return patches, True

    def _patch(self, uid: str, moment: Moment, *, may_correct: bool) -> SendPatch | None:
        """The patch of an object, if its status must be written now."""
        tracked = self._index.get(uid)
        if tracked is None or not tracked.reported.has_status:
            # The object is gone, or was retargeted and has no computed status yet; computing it will queue a write.
            self._settled(uid)
            return None
        if uid in self._incoming:
            # A newer version waits in the inbox: a write of the version in the index would only meet a conflict.
            self._queue.delay(uid, moment.at + _INCOMING_SECONDS, Why.CONFLICT)
            return None
        found = self._history.next_write(tracked, moment, may_correct=may_correct)
        self._index.put(tracked.but(texts=found.texts))
        match found:
            case Nothing():
                self._settled(uid)
            case Later(until=until, why=why):
                if why is Why.HELD:
                    self._settled(uid)
                self._queue.delay(uid, until, why)
            case Write(known, difference) | Correction(known, difference):
                return _sending(tracked, known, difference)
        return None

    def _settled(self, uid: str) -> None:
        self._queue.end(uid)
        self._history.agreed(uid)

    # How a write ends.

    def ended(self, patch: SendPatch, result: WriteResult | None, now: float) -> None:
        """Handle the result of a patch.

        Args:
            patch: what was sent.
            result: the result; None if a bug in the operator has lost it.
            now: the time.
        """
        uid = patch.about.uid
        self._overdue.drop(uid)
        self._slots.end(uid)
        is_again = uid in self._again
        self._again.discard(uid)
        tracked = self._index.get(uid)
        if tracked is None or uid not in self._queue.pending:
            self._history.forget(uid)
            return
        if isinstance(result, Gone):
            # The object will be removed shortly; drop any queued write.
            self._queue.drop(uid)
            return
        self._take(tracked, patch, result, now)
        tracked = self._index.get(uid) or tracked
        # If only the echo of this write arrived meanwhile, the statuses agree and no new comparison is needed.
        if is_again and not tracked.texts.are_in_sync and self._queue.why(uid) not in _PATIENT:
            self._put(tracked, now)

    def cancelled(self, patch: SendPatch) -> None:
        """This process stops writing: the result of a patch is unknown, and ignored."""
        uid = patch.about.uid
        self._overdue.drop(uid)
        self._slots.end(uid)
        self._again.discard(uid)

    def _take(self, tracked: Tracked, patch: SendPatch, result: Stored | Conflict | Refused | None, now: float) -> None:
        match result:
            case Stored(body):
                self._stored(tracked, patch, body, now)
            case Conflict():
                self._queue.delay(tracked.uid, now + self._history.conflict(tracked.uid), Why.CONFLICT)
            case Refused() | None:
                if result is None or result.may_be_stored:
                    self._index.put(tracked.but(texts=texts.unconfirmed(tracked.texts, patch.sent)))
                if result is not None:
                    log_refusal(tracked, result, self._refusals, now)
                delay = self._refusals.refused(tracked.uid, tracked.identity.place)
                self._queue.delay(tracked.uid, now + delay, Why.REFUSED)

    def _stored(self, tracked: Tracked, patch: SendPatch, body: Mapping[str, Any], now: float) -> None:
        tracked = own_answer(tracked, body, now)
        answer = accepted(tracked.texts, body, sent=patch.sent, desired=patch.desired)
        self._index.put(tracked.but(texts=answer.texts))
        self._settled(tracked.uid)
        self._refusals.accepted(tracked.uid, tracked.identity.place)
        until = self._history.stored(tracked, patch, answer, body.get("status") or {}, now)
        if until is not None:
            self._queue.delay(tracked.uid, until, Why.HELD)


def _sending(tracked: Tracked, known: texts.Texts, difference: Difference) -> SendPatch:
    return SendPatch(
        about=tracked.identity,
        version=known.resource_version,
        patch=difference.patch,
        sent=difference.status,
        desired=known.desired_status,
    )

"""Per-object history that affects the next write: corrections, conflicts, and values that the API server alters.

Somebody else may write into a status for ever, and the API server may store other values than it was sent. Neither may
cost a write each time.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from astra_mirror.core.corrections import Corrections
from astra_mirror.core.refusals import Refusals
from astra_mirror.core.unstored import Unstored
from astra_mirror.core.write_results import Refused
from astra_mirror.engine.effects import SendPatch
from astra_mirror.engine.ports import Moment
from astra_mirror.engine.state.texts import Texts
from astra_mirror.engine.state.tracked import Tracked
from astra_mirror.engine.status_write import Accepted, Correction, Nothing, Write, agreeing, compared
from astra_mirror.engine.write_queue import Why

_FIRST_CONFLICT_DELAY, _MAX_CONFLICT_DELAY = 0.25, 5.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Later:
    """There is a difference, and the statuses are compared again at `until`, in monotonic seconds."""

    texts: Texts
    until: float
    why: Why


class WriteHistory:
    """The history of each object's writes."""

    def __init__(self) -> None:
        self._corrections: dict[str, Corrections] = {}
        self._unstored = Unstored()
        self._conflicts: dict[str, int] = {}

    def forget(self, uid: str) -> None:
        """Drop the history of an object."""
        self.agreed(uid)
        self._corrections.pop(uid, None)
        self._unstored.forget(uid)

    def agreed(self, uid: str) -> None:
        """An object's actual status is the desired one: reset its conflicts."""
        self._conflicts.pop(uid, None)

    def conflict(self, uid: str) -> float:
        """A write met another version of the object. Returns the seconds until it is retried."""
        number = self._conflicts[uid] = self._conflicts.get(uid, -1) + 1
        return min(_FIRST_CONFLICT_DELAY * 2.0 ** min(number, 10), _MAX_CONFLICT_DELAY) if number else 0.0

    def next_write(
        self, tracked: Tracked, moment: Moment, *, may_correct: bool
    ) -> Nothing | Write | Correction | Later:
        """What must be written for an object now.

        Args:
            tracked: the object.
            moment: now.
            may_correct: whether a correction may be made now; if not, it is delayed.
        """
        found = compared(tracked.texts, tracked.reported.shown, moment.utc)
        if not isinstance(found, Correction):
            return found
        uid, now, known = tracked.uid, moment.at, found.texts
        until = self._unstored.until(uid, desired=known.written_status, actual=known.actual_status, now=now)
        if until is not None:
            return Later(known, until, Why.HELD)
        if not may_correct:
            return Later(known, now, Why.CORRECTION)
        history = self._corrections.get(uid, Corrections())
        agreed = agreeing(known, moment.utc) if history.are_repeated(now) else found
        if isinstance(agreed, Nothing):
            return agreed
        due = history.due(now)
        if due > now:
            return Later(agreed.texts, due, Why.CORRECTION)
        self._corrections[uid] = history.made(now)
        return agreed

    def stored(
        self, tracked: Tracked, patch: SendPatch, answer: Accepted, status: Mapping[str, Any], now: float
    ) -> float | None:
        """Learn from the response to a write.

        Args:
            tracked: the object.
            patch: what was sent.
            answer: what the response means.
            status: the status in it.
            now: the time, in monotonic seconds.

        Returns:
            Until when a status that the API server has altered is left as it is; None if it stored what it was sent.
        """
        if answer.is_exact:
            self._unstored.forget(tracked.uid)
            return None
        fields = self._unstored.news(patch.sent, status)
        if fields:
            logger.warning(
                "The API server stores other values than it is sent, of %s to begin with: %s. Is its CRD of another "
                "release, or does a webhook change them?",
                tracked.identity.label,
                ", ".join(fields),
                extra={"namespaces": [tracked.namespace]},
            )
        return self._unstored.learn(tracked.uid, sent=answer.texts.written_status, stored=answer.stored, now=now)


def log_refusal(tracked: Tracked, refused: Refused, refusals: Refusals, now: float) -> None:
    """Log a refusal, unless its reason was logged for this namespace before."""
    namespace, name = tracked.namespace, tracked.identity.name
    # Ignore the object's name, so that equal refusals are logged once.
    reason = refused.text.replace(f'"{name}"', "")
    if refused.text and refusals.is_news(namespace, reason, now):
        logger.warning(
            "A status in the namespace %s could not be written, trying again; the first is that of %s: %s",
            namespace,
            name,
            refused.text,
            extra={"namespaces": [namespace]},
        )

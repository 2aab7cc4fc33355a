"""Computes what a ref's status should be after each event, for the writer and the recorder of Events.

The decision itself is core's; here it is joined with what the engine remembers of the ref: when the remote's words were
last taken over, whether a missing Secret may still be on its way, and what has been said in Events.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from astra_mirror.api.app_backup_ref import AppBackupRefStatus
from astra_mirror.core.events import Around, Note, admit, notes_of
from astra_mirror.core.outcome import Failed, NotFound, Outcome
from astra_mirror.core.schedule import Pace, stale_after
from astra_mirror.core.status import Event, next_status, shown_in
from astra_mirror.engine.ref import Ref

WORDS_SECONDS: Final = 15 * 60.0
"""How often the remote's words for a failure that stays are taken over."""

Tell = Callable[[str, str, str, Note], None]
"""Called for each Event with the namespace, name and uid of the ref, and what to say."""


class DesiredStatus:
    """Sets the desired status of refs.

    Args:
        utcnow: the wall clock.
        pace: the administrator's intervals.
        write: called with each ref whose desired status may differ from the actual one.
        tell: called with what is worth an Event.
    """

    def __init__(self, *, utcnow: Callable[[], datetime], pace: Pace, write: Callable[[Ref], None], tell: Tell) -> None:
        self._utcnow = utcnow
        self._pace = pace
        self._write = write
        self._tell = tell

    def is_stale(self, ref: Ref, now: float) -> bool:
        """Whether the last success is too long ago, at monotonic `now`, for what was observed to count."""
        return now - ref.fresh_at >= stale_after(ref.interval, self._pace)

    def update(self, ref: Ref, outcome: Outcome | None, now: float, handled: str | None = None) -> None:
        """Compute the status anew.

        Args:
            ref: the ref.
            outcome: how the last poll ended; None before the first one.
            now: monotonic seconds.
            handled: the requestedAt value that this outcome answers, if it answers one.
        """
        ref.is_stale = self.is_stale(ref, now)
        was_grace, ref.is_grace = ref.is_grace, _is_grace(ref, outcome, now)
        before = ref.status
        status = next_status(
            before,
            Event(
                generation=ref.generation,
                spec=ref.spec,
                outcome=outcome,
                now=self._utcnow(),
                at=now,
                sample=ref.sample,
                stale_after=stale_after(ref.interval, self._pace) if ref.is_stale else None,
                handled=handled,
                keeps_words=_keeps_words(ref, outcome, now),
                is_young=ref.is_grace,
            ),
        )
        if _words(status) != _words(before):
            ref.words_at = now if are_remote(outcome) else None
        ref.shown = shown_in(status, outcome, ref.shown)
        ref.has_status = True
        # To have said that nothing is known is to know nothing still: what another process observes counts.
        ref.is_inherited = ref.is_inherited and outcome is None and not ref.spec.suspend
        ref.want(status, self._pace)
        self._write(ref)
        new_secret = _is_of_new_secret(ref, outcome)
        around = Around(was_grace=was_grace, is_grace=ref.is_grace, new_secret=new_secret, shown=ref.shown)
        for note in notes_of(before, status, around):
            busy_until = admit(ref.events_until, now)
            if busy_until is not None:
                ref.events_until = busy_until
                self._tell(ref.namespace, ref.name, ref.uid, note)


def _is_grace(ref: Ref, outcome: Outcome | None, now: float) -> bool:
    may_heal = isinstance(outcome, Failed) and outcome.reason.facts.may_heal_while_young
    return may_heal and now < ref.grown_at


def _is_of_new_secret(ref: Ref, outcome: Outcome | None) -> bool:
    """Whether this is the first answer since the Secret has changed; takes note of it."""
    if ref.secret_at is None or outcome is None or ref.read_at < ref.secret_at:
        return False
    ref.secret_at = None
    return True


def are_remote(outcome: Outcome | None) -> bool:
    """Whether an outcome's words are the remote's and not the operator's own."""
    match outcome:
        case NotFound():
            return True
        case Failed(code=code):
            return code is not None
        case _:
            return False


def _keeps_words(ref: Ref, outcome: Outcome | None, now: float) -> bool:
    return are_remote(outcome) and ref.words_at is not None and now - ref.words_at < WORDS_SECONDS


def _words(status: AppBackupRefStatus) -> tuple[str, ...]:
    conditions = (status.condition(each) for each in ("Synced", "Finished"))
    return tuple(each.message for each in conditions if each is not None)

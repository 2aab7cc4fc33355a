"""What an object's status should be after something happened to it, and which Events report the change.

The object's kind decides what the status says, from what the engine remembers of the object: when the remote's message
was last copied into the status, whether a missing Secret may still be created, how many Events have been recorded.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from pydantic_core import from_json

from astra_mirror.core.diff import failing_since
from astra_mirror.core.events import Note, admit
from astra_mirror.core.outcome import Failed, NotFound, Outcome
from astra_mirror.core.schedule import Pace, stale_after
from astra_mirror.engine.effects import Moved, RecordEvent, StatusMoved, Step
from astra_mirror.engine.kinds.kind import Happened, Next
from astra_mirror.engine.ports import Moment
from astra_mirror.engine.state import reported, texts
from astra_mirror.engine.state.reported import Computed, Reported
from astra_mirror.engine.state.tracked import Tracked

MESSAGE_SECONDS: Final = 15 * 60.0
"""How often the remote's latest message for a lasting failure is copied into the status."""


def is_stale(tracked: Tracked, now: float, pace: Pace) -> bool:
    """Whether the last success is too long ago, at monotonic `now`, for the observation to count."""
    return now - tracked.polling.last_success_at >= stale_after(tracked.reported.interval, pace)


def next_report(
    tracked: Tracked,
    outcome: Outcome | None,
    moment: Moment,
    pace: Pace,
    *,
    handled: str | None = None,
    has_new_secret: bool = False,
) -> Step:
    """Compute the next desired status.

    Args:
        tracked: the object.
        outcome: how the last poll ended; None before the first one.
        moment: now.
        pace: the administrator's intervals.
        handled: the requestedAt value that this outcome answers, if it answers one.
        has_new_secret: whether this is the first answer since the Secret changed.
    """
    before, now = tracked.reported, moment.at
    is_grace = _is_grace(tracked, outcome, now)
    happened = Happened(
        generation=tracked.desire.generation,
        outcome=outcome,
        at=now,
        utc=moment.utc,
        memory=before.memory,
        stale_since=_stale_since(tracked, moment) if is_stale(tracked, now, pace) else None,
        handled=handled,
        keeps_message=_keeps_message(tracked, outcome, now),
        was_grace=before.is_grace,
        is_grace=is_grace,
        has_new_secret=has_new_secret,
        shown=before.shown,
    )
    found = tracked.spec.next_report(tracked.texts.desired_status, happened, pace)
    return _reporting(tracked, found, happened)


def _stale_since(tracked: Tracked, moment: Moment) -> datetime:
    """Since when no poll has succeeded. It does not move while the observation is stale.

    It is the time at which Synced became False, which outlasts the process, and on which two operators agree.
    """
    if tracked.reported.stale_since is not None:
        return tracked.reported.stale_since
    since = failing_since(from_json(tracked.texts.written_status))
    return since or moment.utc - timedelta(seconds=moment.at - tracked.polling.last_success_at)


def _reporting(tracked: Tracked, found: Next, happened: Happened) -> Step:
    before, outcome, now = tracked.reported, happened.outcome, happened.at
    events, events_until = _events(tracked, found.notes, now)
    how = Computed(
        stale_since=happened.stale_since,
        is_grace=happened.is_grace,
        # A NotObserved status adds no knowledge: keep adopting what another process observes.
        is_inherited=before.is_inherited and outcome is None and tracked.desire.is_polled,
        shown=found.shown,
        message_taken_at=_message_taken_at(before, outcome, now, has_new=found.has_new_message),
        events_until=events_until,
    )
    changed = tracked.but(
        texts=texts.desiring(tracked.texts, found.report.status),
        reported=reported.computed(before, found.report, how),
    )
    return Step(changed, (StatusMoved(tracked.uid, Moved.DESIRED), *events))


def _message_taken_at(before: Reported, outcome: Outcome | None, now: float, *, has_new: bool) -> float | None:
    if not has_new:
        return before.message_taken_at
    return now if are_remote(outcome) else None


def _events(tracked: Tracked, notes: Iterable[Note], now: float) -> tuple[list[RecordEvent], float]:
    """The Events that the object's rate limit admits, and the limit's new state."""
    events, busy_until = [], tracked.reported.events_until
    for note in notes:
        until = admit(busy_until, now)
        if until is not None:
            busy_until = until
            events.append(RecordEvent(tracked.identity, note))
    return events, busy_until


def _is_grace(tracked: Tracked, outcome: Outcome | None, now: float) -> bool:
    may_heal = isinstance(outcome, Failed) and outcome.reason.facts.may_heal_while_young
    return may_heal and now < tracked.identity.grace_until


def are_remote(outcome: Outcome | None) -> bool:
    """Whether an outcome's message is the remote's and not the operator's own."""
    match outcome:
        case NotFound():
            return True
        case Failed(code=code):
            return code is not None
        case _:
            return False


def _keeps_message(tracked: Tracked, outcome: Outcome | None, now: float) -> bool:
    taken_at = tracked.reported.message_taken_at
    return are_remote(outcome) and taken_at is not None and now - taken_at < MESSAGE_SECONDS

"""What an answer, or the lack of one, leads to for one object: its next status, its next poll, and effects.

Pure functions. Callers have checked that the answer still applies. One case is decided here: an answer to a request
that was sent before the latest poll request schedules another poll.
"""

import math

from astra_mirror.core.outcome import Answer, Described, Failed, NotFound, Observed, Outcome, SyncReason, Unchanged
from astra_mirror.core.schedule import Pace, after_failure, backoff, jittered, stale_after
from astra_mirror.engine.effects import CheckAt, CountPoll, ObjectEffect, Step, StopWaiting
from astra_mirror.engine.next_report import are_remote, is_stale, next_report
from astra_mirror.engine.ports import Moment
from astra_mirror.engine.requests import Poll
from astra_mirror.engine.state import cache, polling, reported
from astra_mirror.engine.state.cache import Cache
from astra_mirror.engine.state.polling import Polling
from astra_mirror.engine.state.tracked import Tracked

# Poll requests.


def poll_soon(tracked: Tracked, now: float) -> Step:
    """Poll the object now, because something has changed. The message of the next failure is copied at once."""
    return Step(
        tracked.but(
            polling=polling.soon(tracked.polling, now),
            cache=cache.invalidated(tracked.cache),
            reported=reported.message_due(tracked.reported),
        ),
        (CheckAt(tracked.uid, now),),
    )


def poll_requested(tracked: Tracked, now: float) -> Step:
    """Poll the object as its requestedAt annotation asks, as soon as its throttle allows."""
    changed = tracked.but(
        polling=polling.requested(tracked.polling, now),
        cache=cache.invalidated(tracked.cache),
        reported=reported.message_due(tracked.reported),
    )
    return Step(changed, (CheckAt(tracked.uid, changed.polling.next_poll_at),))


def secret_changed(tracked: Tracked, at: float, now: float) -> Step:
    """Poll the object now: its Secret changed at `at`."""
    return poll_soon(tracked.but(polling=polling.secret_changed(tracked.polling, at)), now)


# Results.


def answered(tracked: Tracked, answer: Answer, poll: Poll, moment: Moment, pace: Pace) -> Step:
    """Apply an answer that the object waited for, or that says something new about it. It waits no longer."""
    now, before = moment.at, tracked.polling
    is_outdated = before.poll_requested_at > poll.started
    polled = polling.answered(before, answer, sent_at=poll.started, now=now)
    effects: tuple[ObjectEffect, ...] = (
        CountPoll(tracked.identity.kind.label, answer.reason if isinstance(answer, Failed) else SyncReason.OBSERVED),
    )
    if not isinstance(answer, Unchanged):
        step = next_report(
            tracked.but(polling=polled),
            answer,
            moment,
            pace,
            handled=None if is_outdated else tracked.desire.requested_at,
            has_new_secret=before.is_first_answer_with_new_secret(poll.started),
        )
        tracked, effects = _remembering(step.tracked, answer, now, is_outdated=is_outdated), effects + step.effects
    at = _next_poll_at(tracked, polled, poll, now, is_outdated=is_outdated)
    tracked = tracked.but(
        polling=polling.next_at(polled, at), cache=_cached(tracked.cache, answer, poll, is_outdated=is_outdated)
    )
    return Step(tracked, (*effects, *schedule(tracked, now, pace, is_waiting=False), StopWaiting(tracked.uid)))


def _remembering(tracked: Tracked, answer: Outcome, now: float, *, is_outdated: bool) -> Tracked:
    before = tracked.reported
    if not is_outdated and before.message_taken_at is None and are_remote(answer):
        # The requested poll returned the same message. From now on, unchanged failures keep the old message again.
        return tracked.but(reported=reported.message_taken(before, now))
    return tracked


def _cached(known: Cache, answer: Answer, poll: Poll, *, is_outdated: bool) -> Cache:
    """What to remember of the answer, so that the next one need not be parsed if it is the same."""
    match answer:
        case Described(digest=digest):
            # Only the document of a backup confirms its app.
            is_backup = isinstance(answer, Observed)
            known = cache.answered(known, digest, list_digest=poll.list_digest, is_of_named_app=is_backup)
        case NotFound():
            known = cache.answered(known, None, is_of_named_app=False)
        case Failed():
            known = cache.answered(known, None, is_of_named_app=None)
        case Unchanged() if poll.list_digest is not None:
            known = cache.found_in_list(known, poll.list_digest)
    # The next answer must be processed even if unchanged, to record the request as handled.
    return cache.invalidated(known) if is_outdated else known


def _next_poll_at(tracked: Tracked, polled: Polling, poll: Poll, now: float, *, is_outdated: bool) -> float:
    """When the object is polled next, in monotonic seconds; `polled` is its polling after the answer."""
    interval, failure = tracked.reported.interval, polled.last_failure
    if is_outdated:
        return max(now, polled.may_poll_from)
    if failure is None:
        return poll.started + jittered(interval, poll.draw)
    return poll.started + after_failure(failure, interval, polled.failure_count, poll.draw, now - poll.started)


def held_back(tracked: Tracked, failure: Failed, moment: Moment, pace: Pace) -> Step:
    """A breaker or a pause holds the object's request back; the object keeps waiting."""
    now, before = moment.at, tracked.polling
    # An object whose own request was refused keeps the server's message, unless the Secret has changed since.
    is_same = before.last_failure is not None and before.last_failure.reason is failure.reason
    is_known = is_same and not before.awaits_answer_with_new_secret
    if not is_known:
        tracked = tracked.but(polling=polling.held_back(before, failure), cache=cache.invalidated(tracked.cache))
    effects: tuple[ObjectEffect, ...] = ()
    is_behind = tracked.texts.desired_status != tracked.texts.actual_status
    if not is_known or is_behind or tracked.reported.is_stale != is_stale(tracked, now, pace):
        step = next_report(tracked, tracked.polling.last_failure, moment, pace)
        tracked, effects = step.tracked, step.effects
    return Step(tracked, effects + schedule(tracked, now, pace, is_waiting=True))


def broken(tracked: Tracked, moment: Moment) -> Step:
    """The object's request was lost: poll again later, as after any failure."""
    failed = polling.broken(tracked.polling)
    at = moment.at + backoff(tracked.reported.interval, failed.failure_count, moment.draw)
    return Step(tracked.but(polling=polling.next_at(failed, at)), (CheckAt(tracked.uid, at),))


# Time passes.


def no_answer_yet(tracked: Tracked, moment: Moment, pace: Pace, *, is_waiting: bool) -> Step:
    """No answer has arrived for a while: an unobserved object gets a NotObserved status."""
    if tracked.reported.is_observed or tracked.reported.has_status:
        return Step(tracked)
    return settle(tracked, moment, pace, is_waiting=is_waiting)


def nothing_known_yet(tracked: Tracked, moment: Moment, pace: Pace) -> Step:
    """Give an unobserved object a NotObserved status, unless it has a status already or is not polled."""
    if tracked.reported.has_status or tracked.reported.is_observed or not tracked.desire.is_polled:
        return Step(tracked)
    return next_report(tracked, tracked.polling.last_failure, moment, pace)


def settle(tracked: Tracked, moment: Moment, pace: Pace, *, is_waiting: bool) -> Step:
    """Update the status without a poll: the object became stale, was suspended, or waits for a slow answer."""
    effects: tuple[ObjectEffect, ...] = ()
    is_polled = tracked.desire.is_polled
    if not is_polled or tracked.polling.last_failure is not None or not tracked.reported.is_observed:
        step = next_report(tracked, tracked.polling.last_failure, moment, pace)
        tracked, effects = step.tracked, step.effects
    if is_polled:
        effects += schedule(tracked, moment.at, pace, is_waiting=is_waiting)
    return Step(tracked, effects)


def schedule(tracked: Tracked, now: float, pace: Pace, *, is_waiting: bool) -> tuple[CheckAt, ...]:
    """When to process the object again: for its next poll, or earlier if it becomes stale or its grace period ends.

    Args:
        tracked: the object.
        now: monotonic seconds.
        pace: the administrator's intervals.
        is_waiting: whether it waits for a request; the time of the next poll is set when that request ends.
    """
    due = math.inf if is_waiting else tracked.polling.next_poll_at
    stale_at = tracked.polling.last_success_at + stale_after(tracked.reported.interval, pace)
    if tracked.polling.last_failure is not None and stale_at > now:
        due = min(due, stale_at)
    if tracked.reported.is_grace:
        due = min(due, tracked.identity.grace_until)
    return (CheckAt(tracked.uid, due),) if due < math.inf else ()

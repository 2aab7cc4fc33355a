"""When an object is polled, why, and how its last polls ended. All times are monotonic seconds."""

from typing import NamedTuple

from astra_mirror.core.outcome import Answer, Failed, Unchanged
from astra_mirror.core.throttle import UNUSED, Throttle


class Polling(NamedTuple):
    """The polling state of one object.

    Attributes:
        next_poll_at: when the next poll may start.
        last_success_at: when the last poll succeeded; after a start, a resume or a new target, when that happened.
        may_poll_from: when the poll that was requested last may start.
        poll_requested_at: when a poll was last requested: by an edit, the annotation or a changed Secret.
        request_throttle: limits how often the annotation takes effect at once.
        last_request_at: when the request was sent whose answer was applied last.
        last_failure: how the last poll failed; None if it succeeded.
        failure_count: how many polls have failed in a row.
        secret_changed_at: when the object's Secret last changed; None if it has not since the object was first seen.
    """

    next_poll_at: float
    last_success_at: float
    may_poll_from: float = 0.0
    poll_requested_at: float = 0.0
    request_throttle: Throttle = UNUSED
    last_request_at: float = 0.0
    last_failure: Failed | None = None
    failure_count: int = 0
    secret_changed_at: float | None = None

    @property
    def awaits_answer_with_new_secret(self) -> bool:
        """Whether the Secret has changed, and no request sent since then has been answered."""
        return self.secret_changed_at is not None and self.last_request_at < self.secret_changed_at

    def is_first_answer_with_new_secret(self, sent_at: float) -> bool:
        """Whether an answer to a request of `sent_at` is the first one since the Secret changed."""
        changed_at = self.secret_changed_at
        return changed_at is not None and self.last_request_at < changed_at <= sent_at


def first_seen(now: float, *, failure: Failed | None, is_requested: bool) -> Polling:
    """The polling of a new object.

    Args:
        now: when it was first seen.
        failure: why it will not be polled, if its spec cannot be read.
        is_requested: whether it requests a poll that no status has recorded as handled.
    """
    return Polling(now, now, poll_requested_at=now if is_requested else 0.0, last_failure=failure)


def started_anew(polling: Polling, now: float) -> Polling:
    """This process becomes the leader: the object is due now."""
    return polling._replace(next_poll_at=now, last_success_at=now)


def soon(polling: Polling, now: float) -> Polling:
    """Something has changed: the next poll is now."""
    return polling._replace(poll_requested_at=now, next_poll_at=now, may_poll_from=now)


def requested(polling: Polling, now: float) -> Polling:
    """A poll is requested: the first few requests in a minute are granted at once, later ones at a steady pace."""
    throttle, at = polling.request_throttle, polling.request_throttle.last
    if throttle.last <= now:
        at, throttle = throttle.grant(now)
    # If a request is already pending, one poll answers both.
    is_pending = polling.poll_requested_at > polling.last_request_at
    return polling._replace(
        request_throttle=throttle,
        may_poll_from=min(polling.may_poll_from, at) if is_pending else at,
        poll_requested_at=now,
        next_poll_at=min(polling.next_poll_at, at),
    )


def secret_changed(polling: Polling, at: float) -> Polling:
    """The object's Secret has changed."""
    return polling._replace(secret_changed_at=at)


def clock_restarted(polling: Polling, now: float) -> Polling:
    """Count the time without a success from now on."""
    return polling._replace(last_success_at=now)


def retargeted(polling: Polling) -> Polling:
    """The object names another target: forget the failures of the old one."""
    return polling._replace(last_failure=None, failure_count=0)


def answered(polling: Polling, answer: Answer, *, sent_at: float, now: float) -> Polling:
    """A poll has ended; `next_poll_at` is still to be set."""
    match answer:
        case Unchanged():
            return polling._replace(last_request_at=sent_at, last_success_at=now)
        case Failed():
            failures = polling.failure_count + 1
            return polling._replace(last_request_at=sent_at, last_failure=answer, failure_count=failures)
        case _:
            return polling._replace(last_request_at=sent_at, last_success_at=now, last_failure=None, failure_count=0)


def held_back(polling: Polling, failure: Failed) -> Polling:
    """The request is held back because of another object's failure, which applies to this object too."""
    return polling._replace(last_failure=failure)


def broken(polling: Polling) -> Polling:
    """The request was lost, which counts as a failure."""
    return polling._replace(failure_count=polling.failure_count + 1)


def next_at(polling: Polling, at: float) -> Polling:
    """The next poll may start then."""
    return polling._replace(next_poll_at=at)

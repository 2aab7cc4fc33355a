"""What a requested poll has come to."""

from datetime import UTC, datetime, timedelta
from typing import Final

from astra_mirror.core.reasons import FACTS, Retry
from astra_mirror.kubectl.core.ages import moment_of
from astra_mirror.kubectl.core.seen import Condition, Seen
from astra_mirror.kubectl.core.verdicts import NO_OPERATOR, SUSPENDED, Outcome, Verdict

GRACE: Final = 2.0
"""Seconds for an answer although a breaker seems to hold the poll back: a changed Secret may have just closed it."""
_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"


def next_request(before: str, now: datetime) -> str:
    """The value of the annotation that requests a poll: a time, and later than what is there.

    Requesters compare these values as texts, so all of them have to write whole seconds in UTC.
    """
    last = moment_of(before)
    at = now.astimezone(UTC) if last is None else max(now.astimezone(UTC), last + timedelta(seconds=1))
    return at.strftime(_FORMAT)


def is_answered(seen: Seen, requested: str) -> bool:
    """Whether a poll has ended that was begun after this request, or after a later one of somebody else."""
    return seen.handled_at >= requested and moment_of(seen.handled_at) is not None


def answer(seen: Seen) -> Verdict:
    """What the poll has come to: whether Astra Control has answered, not how the backup is."""
    synced, ready = seen.condition("Synced"), seen.condition("Ready")
    if synced.status == "True":
        return _verdict(Outcome.SUCCEEDED, ready)
    return _verdict(Outcome.FAILED, synced)


def obstacle(seen: Seen, *, grace_is_over: bool) -> Verdict | None:
    """Why no poll will be made now; None if one will.

    Args:
        seen: the object.
        grace_is_over: whether `GRACE` has passed since the request.
    """
    synced = seen.condition("Synced")
    if seen.is_suspended:
        text = "polling is suspended: the poll is made when spec.suspend is set to false"
        return Verdict(Outcome.UNDECIDED, SUSPENDED, text)
    facts = FACTS.get(synced.reason)
    if grace_is_over and synced.status == "False" and facts is not None and facts.retry is Retry.PROBE:
        text = f"a circuit breaker holds the poll back, and is probed once a minute: {synced.message}"
        return Verdict(Outcome.UNDECIDED, synced.reason, text)
    return None


def unanswered(seen: Seen) -> Verdict:
    """The verdict while there is no answer."""
    if not seen.is_handled:
        return Verdict(Outcome.UNDECIDED, NO_OPERATOR, "no operator has handled its latest spec")
    return Verdict(Outcome.IN_PROGRESS, "Requested", "a poll was requested, and no answer has come yet")


def _verdict(outcome: Outcome, condition: Condition) -> Verdict:
    return Verdict(outcome, condition.reason, condition.message)

"""What has become of a ref or a monitor: the backup has succeeded or failed, is in progress, or it cannot be told.

The chain of each kind is read from the top, and the first line that holds counts. Whatever Astra Control has said of
the backup counts before any trouble with asking again, as long as the observation is not stale.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from astra_mirror.kubectl.core.names import Key, Kind
from astra_mirror.kubectl.core.seen import Condition, Seen

STALE: Final = "ObservationStale"
SUSPENDED: Final = "Suspended"
NO_OPERATOR: Final = "NoOperator"
NOT_FOUND: Final = "NotFound"
UNREACHABLE: Final = "NoAPIServer"
NO_OBJECTIVES: Final = "NoObjectives"


class Outcome(StrEnum):
    """What is known of it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNDECIDED = "cannot be told"
    IN_PROGRESS = "in progress"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What has become of an object.

    Attributes:
        outcome: that.
        reason: why, in one word. An undecided verdict counts as unchanged while this stays.
        text: why, for people.
    """

    outcome: Outcome
    reason: str
    text: str


UNREAD: Final = Verdict(Outcome.IN_PROGRESS, "Unread", "the API server has not answered yet")
GONE: Final = Verdict(Outcome.FAILED, "Deleted", "it was deleted")


def missing(key: Key) -> Verdict:
    """The verdict on an object that does not exist."""
    return Verdict(Outcome.UNDECIDED, NOT_FOUND, f"there is no such {key.kind.word} in the namespace {key.namespace}")


def unreachable(text: str) -> Verdict:
    """The verdict on all objects while the API server does not give them."""
    return Verdict(Outcome.UNDECIDED, UNREACHABLE, text)


def judge(seen: Seen, now: datetime) -> Verdict:
    """What has become of an object, by its latest status."""
    if not seen.is_handled:
        text = "no operator has handled its latest spec" if seen.observed_generation >= 0 else "no operator has seen it"
        return Verdict(Outcome.UNDECIDED, NO_OPERATOR, text)
    return _judge_ref(seen) if seen.key.kind is Kind.REF else _judge_monitor(seen, now)


def _judge_ref(seen: Seen) -> Verdict:
    ready, succeeded = seen.condition("Ready"), seen.condition("Succeeded")
    if ready.reason == STALE:
        return _verdict(Outcome.UNDECIDED, ready)
    if succeeded.status == "False":
        return _verdict(Outcome.FAILED, succeeded)
    if succeeded.status == "True" and not seen.is_stalled:
        return _verdict(Outcome.SUCCEEDED, succeeded)
    if succeeded.status == "True":
        # The backup is complete, but not what readyWhen asks for.
        return _verdict(Outcome.FAILED, ready)
    return _judge_unfinished(seen)


def _judge_monitor(seen: Seen, now: datetime) -> Verdict:
    ready, met = seen.condition("Ready"), seen.condition("ObjectivesMet")
    if _is_suspended(seen) or STALE in {ready.reason, met.reason}:
        return _judge_unfinished(seen) if _is_suspended(seen) else _verdict(Outcome.UNDECIDED, ready)
    if met.status == "True" and not seen.is_stalled:
        if seen.deadline is not None and now > seen.deadline:
            # An operator that runs reads the list at the deadline, and then says what it has found.
            return Verdict(
                Outcome.UNDECIDED, "DeadlinePassed", "its deadline has passed, and no operator has said more"
            )
        return _verdict(Outcome.SUCCEEDED, met)
    if met.status == "False" and seen.is_stalled:
        return _verdict(Outcome.FAILED, met)
    if not seen.has_objectives and ready.status == "True":
        return Verdict(Outcome.UNDECIDED, NO_OBJECTIVES, "it has no objectives that could be met")
    return _judge_unfinished(seen)


def _judge_unfinished(seen: Seen) -> Verdict:
    """The verdict where Astra Control has said nothing that decides."""
    ready, synced = seen.condition("Ready"), seen.condition("Synced")
    if _is_suspended(seen):
        return Verdict(Outcome.UNDECIDED, SUSPENDED, synced.message or "Polling is suspended.")
    if seen.is_stalled and synced.status == "False":
        return _verdict(Outcome.UNDECIDED, synced)
    if seen.is_stalled:
        return _verdict(Outcome.FAILED, seen.condition("Stalled"))
    return _verdict(Outcome.IN_PROGRESS, ready)


def _is_suspended(seen: Seen) -> bool:
    return seen.is_suspended or seen.condition("Synced").reason == SUSPENDED


def _verdict(outcome: Outcome, condition: Condition) -> Verdict:
    return Verdict(outcome, condition.reason, condition.message)

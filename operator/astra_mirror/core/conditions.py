"""The conditions: what is known, said so that people, kstatus, Argo CD and `kubectl wait` read the same.

In progress is Reconciling, done well is Ready, needs a person is Stalled. Reconciling and Stalled are present only
while true and never both. The functions here know nothing of time: transition times are added when a status is
compared with the one in the cluster.
"""

from dataclasses import dataclass
from typing import Final

from astra_mirror.api.app_backup_ref import Detail, ReadyWhen
from astra_mirror.api.meta import Condition, ConditionStatus
from astra_mirror.core.backup import NOT_FOUND, Activity, Meaning, meaning_of
from astra_mirror.core.messages import MAX_MESSAGE
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.support.text import cut, sentence


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of the backup itself, whether or not the last poll succeeded.

    `text` is a sentence for a person. `ready` may differ from what the state alone says, because of readyWhen.
    """

    reason: str
    ready: ConditionStatus
    succeeded: ConditionStatus
    finished: ConditionStatus
    activity: Activity
    text: str
    state_reason: str


@dataclass(frozen=True, slots=True)
class Sync:
    """Whether the mirror could be refreshed: the condition Synced, and what an error asks for."""

    status: ConditionStatus
    reason: str
    message: str
    activity: Activity = Activity.NONE


NOTHING_YET: Final = Verdict(
    "NotObserved",
    "Unknown",
    "Unknown",
    "False",
    Activity.RECONCILING,
    "Nothing is known of the backup yet.",
    "NotObserved",
)
NOT_ASKED_YET: Final = Sync("Unknown", "NotObserved", "Waiting for Astra Control's first answer.", Activity.RECONCILING)
REFRESHED: Final = Sync("True", SyncReason.OBSERVED, "The status is what Astra Control said at the last poll.")
SUSPENDED: Final = Sync("Unknown", "Suspended", "Polling is suspended: set spec.suspend to false to resume.")


def failed_sync(failure: Failed, activity: Activity | None = None) -> Sync:
    """Synced for a poll that failed; `activity` where the reason alone does not say what it asks for."""
    if activity is None:
        activity = Activity.STALLED if failure.reason.facts.requires_user_action else Activity.RECONCILING
    return Sync("False", failure.reason, failure.text, activity)


def is_known(verdict: Verdict) -> bool:
    """Whether the remote has ever answered: with a state, or that there is no such backup."""
    return verdict is not NOTHING_YET


def missing(message: str) -> Verdict:
    """The verdict on a backup that does not exist, whatever readyWhen asks for."""
    return _verdict(NOT_FOUND, message)


@dataclass(frozen=True, slots=True)
class Picture:
    """The parts of a status that the verdict is made of."""

    state: str
    state_unready: tuple[str, ...]
    hook_state: str | None
    hook_state_details: tuple[Detail, ...]
    summary: str | None


def judge(picture: Picture, ready_when: ReadyWhen) -> Verdict:
    """What an observed backup means for a ref that waits for `ready_when`."""
    meaning = meaning_of(picture.state)
    text = _text(meaning, picture)
    if ready_when is ReadyWhen.OBSERVED:
        return Verdict(
            "BackupObserved", "True", meaning.succeeded, meaning.finished, Activity.NONE, text, meaning.reason
        )
    if picture.state == "completed" and picture.hook_state == "failed":
        wanted = ready_when is ReadyWhen.COMPLETED_AND_HOOKS_SUCCEEDED
        return Verdict(
            "BackupCompletedHooksFailed",
            "False" if wanted else "True",
            meaning.succeeded,
            meaning.finished,
            Activity.STALLED if wanted else Activity.NONE,
            text,
            meaning.reason,
        )
    return _verdict(meaning, text)


def _verdict(meaning: Meaning, text: str) -> Verdict:
    return Verdict(
        meaning.reason, meaning.ready, meaning.succeeded, meaning.finished, meaning.activity, text, meaning.reason
    )


def _text(meaning: Meaning, picture: Picture) -> str:
    start = meaning.text
    if picture.state == "completed" and picture.hook_state == "failed":
        hooks = "; ".join(filter(None, (each.detail or each.title for each in picture.hook_state_details)))
        return sentence(f"{start}, but execution hooks failed: {hooks or 'the remote gives no details'}")
    if picture.state_unready:
        return sentence(f"{start}: {'; '.join(picture.state_unready)}")
    if picture.summary and picture.state in {"running", "completed"}:
        return f"{start}: {picture.summary}." if picture.state == "running" else f"{start} ({picture.summary})."
    return sentence(start)


def conditions_of(verdict: Verdict, sync: Sync, *, ready: Condition | None, stale: str | None) -> tuple[Condition, ...]:
    """The conditions, without times and generations, in the order in which they are shown.

    Args:
        verdict: what is known of the backup.
        sync: how the last poll ended.
        ready: the Ready that stands, for a suspended ref; else None.
        stale: why the verdict is too old to count, as a sentence; None while it counts.
    """
    activity = verdict.activity
    if ready is None:
        status, reason, text = verdict.ready, verdict.reason, verdict.text
        if sync.status == "False" and verdict is NOTHING_YET:
            status, reason, text, activity = "False", sync.reason, sync.message, sync.activity
        elif stale is not None:
            status, reason, text, activity = "Unknown", "ObservationStale", stale, sync.activity
        ready = _condition("Ready", status, reason, text)
    conditions = [
        ready,
        _condition("Synced", sync.status, sync.reason, sync.message),
        _condition("Succeeded", verdict.succeeded, verdict.state_reason, verdict.text),
        _condition("Finished", verdict.finished, verdict.state_reason, verdict.text),
    ]
    if sync is not SUSPENDED and activity is not Activity.NONE:
        conditions.append(_condition(activity, "True", ready.reason, ready.message))
    return tuple(conditions)


def _condition(kind: str, status: ConditionStatus, reason: str, message: str) -> Condition:
    return Condition(type=kind, status=status, reason=str(reason), message=cut(message, MAX_MESSAGE))

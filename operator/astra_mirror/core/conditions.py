"""The conditions, chosen so that people, kstatus, Argo CD and `kubectl wait` reach the same conclusion.

Reconciling means in progress, Ready means as requested, Stalled means that user action is required. Reconciling and
Stalled are present only while true and never both. The conditions here have no times: transition times are added when
a status is compared with the one in the cluster.
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
class Assessment:
    """What is known of the backup itself, whether or not the last poll succeeded.

    `text` is a sentence for people. `ready` may differ from the meaning of the state, because of readyWhen.
    """

    reason: str
    ready: ConditionStatus
    succeeded: ConditionStatus
    finished: ConditionStatus
    activity: Activity
    text: str
    state_reason: str


@dataclass(frozen=True, slots=True)
class SyncResult:
    """Whether the mirror could be refreshed: the condition Synced, and the activity that follows from an error."""

    status: ConditionStatus
    reason: str
    message: str
    activity: Activity = Activity.NONE


NOTHING_YET: Final = Assessment(
    "NotObserved",
    "Unknown",
    "Unknown",
    "False",
    Activity.RECONCILING,
    "Nothing is known of the backup yet.",
    "NotObserved",
)
STALE: Final[tuple[ConditionStatus, str]] = ("Unknown", "ObservationStale")
"""Ready's status and reason while the observation is too old to count."""
NOT_ASKED_YET: Final = SyncResult(
    "Unknown", "NotObserved", "Waiting for Astra Control's first answer.", Activity.RECONCILING
)
REFRESHED: Final = SyncResult("True", SyncReason.OBSERVED, "The status is what Astra Control said at the last poll.")
SUSPENDED: Final = SyncResult("Unknown", "Suspended", "Polling is suspended: set spec.suspend to false to resume.")


def failed_sync_result(failure: Failed, activity: Activity | None = None) -> SyncResult:
    """Synced for a failed poll; `activity` overrides the one that follows from the reason."""
    if activity is None:
        activity = Activity.STALLED if failure.reason.facts.requires_user_action else Activity.RECONCILING
    return SyncResult("False", failure.reason, failure.text, activity)


def is_known(assessment: Assessment) -> bool:
    """Whether the remote has ever responded with a state, or that there is no such backup."""
    return assessment is not NOTHING_YET


def missing(message: str) -> Assessment:
    """The assessment of a backup that does not exist, whatever readyWhen asks for."""
    return _assessment(NOT_FOUND, message)


@dataclass(frozen=True, slots=True)
class ObservedState:
    """The parts of a status that the assessment is made of."""

    state: str
    state_unready: tuple[str, ...]
    hook_state: str | None
    hook_state_details: tuple[Detail, ...]
    summary: str | None


def assess(observed: ObservedState, ready_when: ReadyWhen) -> Assessment:
    """What an observed backup means for a ref that waits for `ready_when`."""
    meaning = meaning_of(observed.state)
    text = _text(meaning, observed)
    if ready_when is ReadyWhen.OBSERVED:
        return Assessment(
            "BackupObserved", "True", meaning.succeeded, meaning.finished, Activity.NONE, text, meaning.reason
        )
    if observed.state == "completed" and observed.hook_state == "failed":
        needs_hooks = ready_when is ReadyWhen.COMPLETED_AND_HOOKS_SUCCEEDED
        return Assessment(
            "BackupCompletedHooksFailed",
            "False" if needs_hooks else "True",
            meaning.succeeded,
            meaning.finished,
            Activity.STALLED if needs_hooks else Activity.NONE,
            text,
            meaning.reason,
        )
    return _assessment(meaning, text)


def _assessment(meaning: Meaning, text: str) -> Assessment:
    return Assessment(
        meaning.reason, meaning.ready, meaning.succeeded, meaning.finished, meaning.activity, text, meaning.reason
    )


def _text(meaning: Meaning, observed: ObservedState) -> str:
    start = meaning.text
    if observed.state == "completed" and observed.hook_state == "failed":
        hooks = "; ".join(filter(None, (each.detail or each.title for each in observed.hook_state_details)))
        return sentence(f"{start}, but execution hooks failed: {hooks or 'the remote gives no details'}")
    if observed.state_unready:
        return sentence(f"{start}: {'; '.join(observed.state_unready)}")
    if observed.summary and observed.state in {"running", "completed"}:
        return f"{start}: {observed.summary}." if observed.state == "running" else f"{start} ({observed.summary})."
    return sentence(start)


def conditions_of(
    assessment: Assessment,
    sync_result: SyncResult,
    *,
    generation: int,
    ready: Condition | None,
    stale: str | None,
) -> tuple[Condition, ...]:
    """The conditions, without times, in the order in which they are shown.

    Args:
        assessment: what is known of the backup.
        sync_result: how the last poll ended.
        generation: the object's generation.
        ready: the Ready to keep, for a suspended ref; else None.
        stale: why the assessment is stale, as a sentence; None if it is not.
    """
    activity = assessment.activity
    if ready is not None:
        ready = ready.model_copy(update={"observed_generation": generation})
    else:
        status, reason, text = assessment.ready, assessment.reason, assessment.text
        if sync_result.status == "False" and assessment is NOTHING_YET:
            status, reason, text, activity = "False", sync_result.reason, sync_result.message, sync_result.activity
        elif stale is not None:
            (status, reason), text, activity = STALE, stale, sync_result.activity
        ready = _condition("Ready", status, reason, text, generation)
    conditions = [
        ready,
        _condition("Synced", sync_result.status, sync_result.reason, sync_result.message, generation),
        _condition("Succeeded", assessment.succeeded, assessment.state_reason, assessment.text, generation),
        _condition("Finished", assessment.finished, assessment.state_reason, assessment.text, generation),
    ]
    if sync_result is not SUSPENDED and activity is not Activity.NONE:
        conditions.append(_condition(activity, "True", ready.reason, ready.message, generation))
    return tuple(conditions)


def _condition(kind: str, status: ConditionStatus, reason: str, message: str, generation: int) -> Condition:
    return Condition(
        type=kind,
        status=status,
        reason=str(reason),
        message=cut(message, MAX_MESSAGE),
        observed_generation=generation,
    )

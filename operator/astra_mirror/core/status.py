"""The next status of a ref, as a function of its present status and of what happened.

The status is also the operator's memory: the observation is read back from it, even after a restart.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from astra_mirror.api.app_backup_ref import AppBackupRefSpec, AppBackupRefStatus, Target
from astra_mirror.core.backup import NOT_FOUND, Activity, Backup
from astra_mirror.core.conditions import (
    NOT_ASKED_YET,
    NOTHING_YET,
    REFRESHED,
    SUSPENDED,
    Assessment,
    ObservedState,
    SyncResult,
    assess,
    conditions_of,
    failed_sync_result,
    is_known,
    missing,
)
from astra_mirror.core.messages import Shown, may_have_id, shows
from astra_mirror.core.outcome import Failed, NotFound, Observed, Outcome
from astra_mirror.core.progress import Sample, progress_of
from astra_mirror.support.text import sentence
from astra_mirror.support.times import timestamp

UNSEEN: Final = AppBackupRefStatus()


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a ref.

    Attributes:
        generation: the object's generation.
        spec: its spec.
        outcome: the outcome of the last poll; None before the first one.
        now: UTC.
        at: when the observation was made, in monotonic seconds.
        sample: the baseline for the rate.
        stale_since: if the observation is stale, since when no poll has succeeded; else None.
        handled: the value of requestedAt that a poll has handled.
        keeps_message: whether the status keeps its present message for a persisting failure.
        is_young: whether a missing Secret may still be created.
    """

    generation: int
    spec: AppBackupRefSpec
    outcome: Outcome | None
    now: datetime
    at: float = 0.0
    sample: Sample | None = None
    stale_since: datetime | None = None
    handled: str | None = None
    keeps_message: bool = False
    is_young: bool = False


def target_of(spec: AppBackupRefSpec) -> Target:
    """The target of a ref with this spec."""
    return Target(
        account_id=spec.account_id, app_id=spec.app_id, backup_id=spec.backup_id, secret_name=spec.secret_ref.name
    )


def forget(status: AppBackupRefStatus) -> AppBackupRefStatus:
    """`status` without anything that was observed, for a ref that names another target now."""
    return AppBackupRefStatus(
        observed_generation=status.observed_generation, last_handled_reconcile_at=status.last_handled_reconcile_at
    )


def is_observed(status: AppBackupRefStatus) -> bool:
    """Whether the remote has ever described the target of this status, or denied that it exists."""
    return status.state is not None or _is_not_found(status)


def observed_state(status: AppBackupRefStatus, state: str) -> ObservedState:
    """The parts of a status with this state that the assessment is made of."""
    return ObservedState(
        state=state,
        state_unready=status.state_unready or (),
        hook_state=status.hook_state,
        hook_state_details=status.hook_state_details or (),
        summary=status.progress.summary if status.progress else None,
    )


def _is_not_found(status: AppBackupRefStatus) -> bool:
    # Ready may say ObservationStale; Finished keeps what was observed.
    finished = status.condition("Finished")
    return finished is not None and finished.reason == NOT_FOUND.reason


def next_status(held: AppBackupRefStatus, event: Event) -> AppBackupRefStatus:
    """The status after `event`, without transition times.

    Args:
        held: the status so far, of the same target (`forget` it first when the target changed).
        event: what happened.
    """
    if event.spec.suspend:
        # A response that was in flight when polling was suspended is ignored.
        event = replace(event, outcome=None)
    event = replace(event, outcome=_in_held_message(held, event))
    observed = _observed(held, event)
    assessment = _assessment(observed, held, event)
    sync_result = _sync_result(event)
    conditions = conditions_of(
        assessment,
        sync_result,
        generation=event.generation,
        ready=held.condition("Ready") if sync_result is SUSPENDED else None,
        stale=_stale(observed, event),
    )
    return observed.model_copy(
        update={
            "observed_generation": event.generation,
            "target": target_of(event.spec) if is_known(assessment) else None,
            "last_handled_reconcile_at": event.handled or held.last_handled_reconcile_at,
            "conditions": conditions,
        }
    )


def shown_in(status: AppBackupRefStatus, outcome: Outcome | None, before: tuple[Shown, ...] = ()) -> tuple[Shown, ...]:
    """The texts in `status` that have a correlation ID, each with its message.

    Args:
        status: the result of `next_status`.
        outcome: the outcome that it was called with.
        before: this function's result for the previous status.
    """
    of_failure = outcome.message if isinstance(outcome, Failed) else ""
    of_absence = outcome.message if isinstance(outcome, NotFound) else sentence(NOT_FOUND.text)
    found = []
    for kind, newest in (("Synced", of_failure), ("Finished", of_absence)):
        condition = status.condition(kind)
        if condition is None:
            continue
        text, messages = condition.message, (newest, *(each.message for each in before))
        # A text with an ID that is not in `before` was written by an earlier process; it is taken to show the newest
        # message.
        unknown = newest if may_have_id(text) else text
        message = next((each for each in messages if shows(text, each)), unknown)
        if message != text:
            found.append(Shown(text, message))
    # While polling is suspended Ready keeps its value, which may quote a failure.
    ready = status.condition("Ready")
    standing = [each for each in before if ready is not None and ready.message.endswith(each.text)]
    return (*found, *(each for each in standing if each not in found))


def _in_held_message(held: AppBackupRefStatus, event: Event) -> Outcome | None:
    """The outcome, with the message that the status already has for it if that is kept."""
    outcome = event.outcome
    if isinstance(outcome, Failed):
        shown = held.condition("Synced")
    elif isinstance(outcome, NotFound):
        shown = held.condition("Finished") if _is_not_found(held) else None
    else:
        return outcome
    if shown is None or (isinstance(outcome, Failed) and shown.reason != outcome.reason):
        return outcome
    if event.keeps_message or shows(shown.message, outcome.message):
        # The message contains the ID of an earlier response.
        return replace(outcome, message=shown.message, correlation_id=None)
    return outcome


def _observed(held: AppBackupRefStatus, event: Event) -> AppBackupRefStatus:
    match event.outcome:
        case Observed(backup):
            return _from_backup(backup, held, event)
        case NotFound():
            return UNSEEN
        case _:
            return held


def _from_backup(backup: Backup, held: AppBackupRefStatus, event: Event) -> AppBackupRefStatus:
    return AppBackupRefStatus(
        state=backup.state,
        state_unready=backup.state_unready,
        state_details=backup.state_details,
        progress=progress_of(backup, held.progress, event.sample, at=event.at, now=event.now),
        hook_state=backup.hook_state,
        hook_state_details=backup.hook_state_details,
        backup=backup.info,
    )


def _assessment(observed: AppBackupRefStatus, held: AppBackupRefStatus, event: Event) -> Assessment:
    if isinstance(event.outcome, NotFound):
        return missing(event.outcome.text)
    if observed.state is not None:
        return assess(observed_state(observed, observed.state), event.spec.ready_when)
    finished = held.condition("Finished")
    if finished is not None and _is_not_found(held):
        return missing(finished.message)
    return NOTHING_YET


def _sync_result(event: Event) -> SyncResult:
    if event.spec.suspend:
        return SUSPENDED
    match event.outcome:
        case None:
            return NOT_ASKED_YET
        case Failed() as failure if event.is_young and failure.reason.facts.may_heal_while_young:
            return failed_sync_result(failure, Activity.RECONCILING)
        case Failed() as failure:
            return failed_sync_result(failure)
        case _:
            return REFRESHED


def _stale(observed: AppBackupRefStatus, event: Event) -> str | None:
    if event.stale_since is None or not isinstance(event.outcome, Failed):
        return None
    seen = f"last seen: {observed.state}" if observed.state else "last seen: no such backup"
    return f"No good answer since {timestamp(event.stale_since)} ({seen}). {event.outcome.text}"

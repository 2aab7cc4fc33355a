"""The next status of a monitor, as a function of its present status and of what happened."""

from collections.abc import Sequence
from dataclasses import replace

from astra_mirror.api.app_backup_monitor import AppBackupMonitorStatus, ObjectiveStatus
from astra_mirror.api.meta import Condition
from astra_mirror.core.backup import Activity
from astra_mirror.core.conditions import NOT_ASKED_YET, REFRESHED, SyncResult, failed_sync_result
from astra_mirror.core.messages import shows
from astra_mirror.core.monitor.conditions import APP_NOT_FOUND, NOTHING_YET, SUSPENDED, condition, conditions_of
from astra_mirror.core.monitor.event import MonitorEvent, is_observed
from astra_mirror.core.monitor.listing import seconds_text
from astra_mirror.core.monitor.objectives import earliest
from astra_mirror.core.monitor.observed import assessment_by, objectives_by, observed_by
from astra_mirror.core.monitor.report import NoAnswerInTime, RefsReport
from astra_mirror.core.monitor.shown_refs import with_refs
from astra_mirror.core.outcome import Failed, NotFound, Outcome


def next_status(held: AppBackupMonitorStatus, event: MonitorEvent) -> AppBackupMonitorStatus:
    """The status after `event`, without transition times.

    Args:
        held: the status so far, of the same target (`forget` it first when the target changed).
        event: what happened.
    """
    if event.spec.suspend:
        # A response that was in flight when polling was suspended is ignored.
        event = replace(event, outcome=None)
    event = replace(event, outcome=_in_held_message(held, event))
    if (event.spec.suspend or isinstance(event.outcome, RefsReport)) and held.condition("Ready"):
        return _standing(held, event)
    sync_result = _sync_result(held, event)
    found = objectives_by(held, event)
    observed = observed_by(held, event)
    assessment = assessment_by(observed, held, event, found, sync_result)
    is_known = is_observed(observed)
    deadline = earliest(found)
    shown = {
        "objectives": tuple(each.status for each in found) or None if is_known else None,
        "deadline": seconds_text(deadline) if is_known and deadline is not None else None,
        "conditions": conditions_of(
            assessment,
            sync_result,
            generation=event.generation,
            has_objectives=bool(event.spec.objectives),
        ),
    }
    return with_refs(observed.model_copy(update=shown), held, event, generation=event.generation)


def _standing(held: AppBackupMonitorStatus, event: MonitorEvent) -> AppBackupMonitorStatus:
    """What was observed stands: polling is suspended, or the refs alone have moved."""
    kept = [each for each in held.conditions or () if each.type != "RefsCurrent"]
    if not event.spec.suspend:
        status = held.model_copy(update={"conditions": tuple(kept)})
        return with_refs(status, held, event, generation=held.observed_generation)
    generation = event.generation
    kept = [_suspended(each, generation) for each in kept if each.type not in {"Reconciling", "Stalled"}]
    found = _of_spec(held.objectives or (), event)
    if found != held.objectives or not found:
        kept = [each for each in kept if each.type != "ObjectivesMet"]
    if event.spec.objectives and not any(each.type == "ObjectivesMet" for each in kept):
        # They were edited meanwhile, and are judged when polling goes on.
        kept.append(condition("ObjectivesMet", "Unknown", NOTHING_YET.reason, SUSPENDED.message, generation))
    deadlines = [each.deadline for each in found if each.deadline is not None]
    shown = {"conditions": tuple(kept), "objectives": found or None, "deadline": min(deadlines, default=None)}
    return with_refs(held.model_copy(update=shown), held, event, generation=generation)


def _of_spec(shown: Sequence[ObjectiveStatus], event: MonitorEvent) -> tuple[ObjectiveStatus, ...]:
    """The objectives in the status that the spec still has."""
    names = {each.name for each in event.spec.objectives or ()}
    found = tuple(each for each in shown if each.name in names)
    return found if len(found) == len(names) else ()


def _suspended(shown: Condition, generation: int) -> Condition:
    found: dict[str, object] = {"observed_generation": generation}
    if shown.type == "Synced":
        found |= {"status": SUSPENDED.status, "reason": SUSPENDED.reason, "message": SUSPENDED.message}
    return shown.model_copy(update=found)


# The outcome.


def _in_held_message(held: AppBackupMonitorStatus, event: MonitorEvent) -> Outcome | None:
    """The outcome, with the message that the status already has for it if that is kept."""
    outcome = event.outcome
    if isinstance(outcome, Failed):
        shown = held.condition("Synced")
    elif isinstance(outcome, NotFound):
        shown = held.condition("Ready")
    else:
        return outcome
    reason = outcome.reason if isinstance(outcome, Failed) else APP_NOT_FOUND
    if shown is None or shown.reason != reason:
        return outcome
    if event.keeps_message or shows(shown.message, outcome.message):
        # The message contains the ID of an earlier response.
        return replace(outcome, message=shown.message, correlation_id=None)
    return outcome


def _sync_result(held: AppBackupMonitorStatus, event: MonitorEvent) -> SyncResult:
    if event.spec.suspend:
        return SUSPENDED
    match event.outcome:
        case None:
            return NOT_ASKED_YET
        case Failed() as failure if event.is_young and failure.reason.facts.may_heal_while_young:
            return failed_sync_result(failure, Activity.RECONCILING)
        case Failed() as failure:
            return failed_sync_result(failure)
        case NoAnswerInTime() | RefsReport():
            synced = held.condition("Synced")
            return NOT_ASKED_YET if synced is None else SyncResult(synced.status, synced.reason, synced.message)
        case _:
            return REFRESHED

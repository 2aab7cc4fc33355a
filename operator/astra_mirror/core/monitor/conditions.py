"""The conditions of a monitor, chosen so that people, kstatus, Argo CD and `kubectl wait` reach the same conclusion.

No text here names an age: the same list, delivered again, changes no status.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from astra_mirror.api.app_backup_monitor import ConditionType, NewestCompleted
from astra_mirror.api.meta import Condition, ConditionStatus
from astra_mirror.core.backup import Activity
from astra_mirror.core.conditions import SyncResult
from astra_mirror.core.messages import MAX_MESSAGE
from astra_mirror.core.monitor.listing import seconds_text
from astra_mirror.core.monitor.objectives import Judged, earliest
from astra_mirror.support.text import cut

STALE: Final = "ObservationStale"
LISTED: Final = "ListObserved"
APP_NOT_FOUND: Final = "AppNotFound"
FIRST: Final = "FirstBackupInProgress"
MISSED: Final = "ObjectiveMissed"
MET: Final = "ObjectivesMet"
SUSPENDED: Final = SyncResult(
    "Unknown",
    "Suspended",
    "Polling is suspended, and deadlines are not kept: set spec.suspend to false to resume.",
)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is known of the app's backups: the condition Ready, ObjectivesMet's status, and what follows for kstatus."""

    ready: ConditionStatus
    objectives_met: ConditionStatus
    reason: str
    text: str
    activity: Activity = Activity.NONE


NOTHING_YET: Final = Assessment(
    "Unknown", "Unknown", "NotObserved", "Nothing is known of the app's backups yet.", Activity.RECONCILING
)


def never_observed(sync_result: SyncResult) -> Assessment:
    """The list could not be read, and never was."""
    if sync_result.status != "False":
        return NOTHING_YET
    return Assessment("False", "Unknown", sync_result.reason, sync_result.message, sync_result.activity)


def app_not_found(text: str) -> Assessment:
    """The service says that there is no such app."""
    return Assessment("False", "False", APP_NOT_FOUND, text, Activity.STALLED)


def stale(text: str, sync_result: SyncResult) -> Assessment:
    """The last list is too old to count."""
    return Assessment("Unknown", "Unknown", STALE, text, sync_result.activity)


def assess(found: Sequence[Judged], newest: NewestCompleted | None, sync_result: SyncResult) -> Assessment:
    """What is known of the objectives.

    Args:
        found: each of them.
        newest: the newest good backup.
        sync_result: how the last poll ended.
    """
    missed = [each for each in found if each.met == "False"]
    unknown = [each for each in found if each.met == "Unknown"]
    if not found:
        return Assessment("True", "True", LISTED, _listed(newest))
    if missed and all(each.is_first for each in missed):
        return Assessment("False", "False", FIRST, _join(map(_first, missed)), Activity.RECONCILING)
    if missed:
        return Assessment("False", "False", MISSED, _join(map(_missed, missed)), Activity.STALLED)
    if unknown:
        activity = sync_result.activity if sync_result.activity is not Activity.NONE else Activity.RECONCILING
        return Assessment("Unknown", "Unknown", STALE, _unknown(unknown, sync_result), activity)
    deadline = earliest(found)
    until = "" if deadline is None else f" until {seconds_text(deadline)}, or longer if another backup completes"
    return Assessment("True", "True", MET, f"All objectives are met{until}.")


def _join(texts: "map[str]") -> str:
    return " ".join(texts)


def _listed(newest: NewestCompleted | None) -> str:
    if newest is None:
        return "The app's backups are listed; none of the selected ones is complete."
    return f"The app's backups are listed; the newest complete one is {newest.name or newest.id} of {newest.time}."


def _first(found: Judged) -> str:
    return f"No good backup counts for objective {found.objective.name} yet, but one is under way."


def _missed(found: Judged) -> str:
    name, age = found.objective.name, found.objective.max_age
    if found.newest is None:
        return f"Objective {name} is missed: no good backup counts for it, and maxAge is {age}."
    newest = f"{found.newest.name or found.newest.id} of {found.newest.time}"
    return f"Objective {name} is missed: the newest good backup is {newest}, and maxAge is {age}."


def _unknown(found: Sequence[Judged], sync_result: SyncResult) -> str:
    names = ", ".join(each.objective.name for each in found)
    why = f" {sync_result.message}" if sync_result.status == "False" else ""
    return f"No good answer since the deadline (objectives: {names}).{why}"


def conditions_of(
    assessment: Assessment,
    sync_result: SyncResult,
    *,
    generation: int,
    has_objectives: bool,
) -> tuple[Condition, ...]:
    """The conditions, without times, in the order in which they are shown.

    Args:
        assessment: what is known of the app's backups.
        sync_result: how the last poll ended.
        generation: the object's generation.
        has_objectives: whether anything is asked of the backups.
    """
    reason, text = assessment.reason, assessment.text
    found = [
        condition("Ready", assessment.ready, reason, text, generation),
        condition("Synced", sync_result.status, sync_result.reason, sync_result.message, generation),
    ]
    if has_objectives:
        found.append(condition("ObjectivesMet", assessment.objectives_met, reason, text, generation))
    activity = Activity.NONE if sync_result is SUSPENDED else assessment.activity
    if activity is Activity.RECONCILING:
        found.append(condition("Reconciling", "True", reason, text, generation))
    if activity is Activity.STALLED:
        found.append(condition("Stalled", "True", reason, text, generation))
    return tuple(found)


def condition(kind: ConditionType, status: ConditionStatus, reason: str, text: str, generation: int) -> Condition:
    """A condition without a time."""
    return Condition(
        type=kind, status=status, reason=str(reason), message=cut(text, MAX_MESSAGE), observed_generation=generation
    )

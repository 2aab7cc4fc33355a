"""A backup as one response of the remote describes it, and the meaning of each state.

The states are those of Astra Control's appBackup resource 1.2 and `deleting`, which later releases send.
"""

from dataclasses import dataclass
from enum import StrEnum

from astra_mirror.api.app_backup_ref import BackupInfo, Detail
from astra_mirror.api.meta import ConditionStatus


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup as observed: texts are cut to their limits, and an optional field is None where the remote has none.

    `percent_done` is 0 to 100 and may be fractional, sizes are bytes.
    """

    id: str
    state: str
    state_unready: tuple[str, ...] | None = None
    state_details: tuple[Detail, ...] | None = None
    hook_state: str | None = None
    hook_state_details: tuple[Detail, ...] | None = None
    percent_done: float | None = None
    bytes_done: int | None = None
    total_bytes: int | None = None
    info: BackupInfo | None = None


class Activity(StrEnum):
    """What kstatus derives: the backup is in progress, it requires user action, or neither."""

    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a state means for Ready, Succeeded and Finished; the message of Ready starts with `text`."""

    reason: str
    ready: ConditionStatus
    succeeded: ConditionStatus
    finished: ConditionStatus
    activity: Activity
    text: str


def _in_progress(text: str) -> Meaning:
    return Meaning("BackupInProgress", "False", "Unknown", "False", Activity.RECONCILING, text)


def _lost(reason: str, text: str) -> Meaning:
    return Meaning(reason, "False", "False", "True", Activity.STALLED, text)


_MEANINGS = {
    "pending": _in_progress("The backup is waiting to start"),
    "discovering": _in_progress("The backup is discovering the app's resources"),
    "running": _in_progress("The backup is running"),
    "completed": Meaning("BackupCompleted", "True", "True", "True", Activity.NONE, "The backup is complete"),
    "failed": _lost("BackupFailed", "The backup failed"),
    "removed": _lost("BackupRemoved", "The backup is not accessible at present"),
    "deleting": _lost("BackupDeleting", "The backup is being deleted"),
    "unknown": Meaning(
        "BackupStateUnknown",
        "Unknown",
        "Unknown",
        "False",
        Activity.RECONCILING,
        "Astra Control cannot tell the backup's state",
    ),
}
DOCUMENTED_STATES = frozenset(_MEANINGS)
NOT_FOUND = _lost("BackupNotFound", "Astra Control has no such backup")
_SETTLED = frozenset({"completed", "failed", "removed"})


def meaning_of(state: str) -> Meaning:
    """The meaning of `state`; an undocumented state is shown, and neither ready nor failed."""
    return _MEANINGS.get(state) or Meaning(
        "BackupStateUnrecognized",
        "Unknown",
        "Unknown",
        "False",
        Activity.RECONCILING,
        f"Astra Control reports a state that is not in its documentation, {state!r}",
    )


def is_settled(state: str) -> bool:
    """Whether a backup in this state is expected to stay in it."""
    return state in _SETTLED
